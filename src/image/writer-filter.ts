/** A writer in front of a writer; what it does not change, it passes on. */
import type { UnitEncoding } from '../kernels/kernels.js';
import type { MaybePromise } from '../maybe.js';
import type { ImageWriter, PendingWrite, PreparedRun } from './image.js';

export class WriterFilter implements ImageWriter {
  readonly addBitmap: ImageWriter['addBitmap'];

  constructor(protected readonly inner: ImageWriter) {
    this.addBitmap = inner.addBitmap?.bind(inner);
  }

  get size(): number {
    return this.inner.size;
  }

  get unit(): number {
    return this.inner.unit;
  }

  get encoding(): UnitEncoding | null {
    return this.inner.encoding;
  }

  get unordered(): boolean {
    return this.inner.unordered;
  }

  get readsZero(): boolean {
    return this.inner.readsZero;
  }

  place(run: PreparedRun): MaybePromise<PendingWrite | undefined> {
    return this.inner.place(run);
  }

  finish(): Promise<void> {
    return this.inner.finish();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** An existing target that the user says reads as zeros (--target-is-zero): zeros need not be written. */
export class BlankWriter extends WriterFilter {
  override get readsZero(): boolean {
    return true;
  }

  override place(run: PreparedRun): MaybePromise<PendingWrite | undefined> {
    const pieces = run.pieces.filter(({ kind }) => kind !== 'zero');
    return pieces.length === 0 ? undefined : this.inner.place({ ...run, pieces });
  }
}
