/** Images and targets in memory for the pipeline's tests: they record what is asked of them. */
import type { Extent, Image, ImageWriter, PendingWrite, PreparedRun } from '../../src/image/image.js';
import type { UnitEncoding } from '../../src/kernels/kernels.js';

export type Kind = Extent['kind'];

export interface Stretch {
  kind: Kind;
  length: number;
  depth?: number;
}

/** A disk made of stretches; data bytes are a function of their offset, never zero. */
export class ModelImage implements Image {
  readonly format = 'model';
  readonly clusterSize = 512;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable = null;
  readonly size: number;
  /** Ranges read, in the order of the calls. */
  readonly reads: { offset: number; length: number }[] = [];
  /** Called before each read; may wait or throw. */
  onRead: (offset: number, length: number) => void | Promise<void> = () => {};
  readonly #extents: Extent[] = [];

  /** @param batch how many extents one question answers at most */
  constructor(
    stretches: Stretch[],
    private readonly batch = 3,
  ) {
    let start = 0;
    for (const { kind, length, depth = 0 } of stretches) {
      this.#extents.push({ start, length, kind, compressed: false, hostOffset: null, depth });
      start += length;
    }
    this.size = start;
  }

  extents(start: number, length: number): Extent[] {
    const end = start + length;
    return this.#extents
      .filter((extent) => extent.start < end && extent.start + extent.length > start)
      .slice(0, this.batch)
      .map((extent) => {
        const from = Math.max(extent.start, start);
        return { ...extent, start: from, length: Math.min(extent.start + extent.length, end) - from };
      });
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.reads.push({ offset, length: into.length });
    await this.onRead(offset, into.length);
    into.set(this.content(offset, into.length));
  }

  /** What the guest sees. */
  content(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (const { start, length: size, kind } of this.#extents) {
      if (kind !== 'data') continue;
      for (let at = Math.max(start, offset); at < Math.min(start + size, offset + length); at++) {
        bytes[at - offset] = 1 + ((at >> 9) % 255);
      }
    }
    return bytes;
  }

  details() {
    return {};
  }

  async close(): Promise<void> {}
}

/** A target that keeps what is placed and a log of calls. */
export class ModelWriter implements ImageWriter {
  readonly bytes: Uint8Array;
  readonly log: string[] = [];
  encoding: UnitEncoding | null = null;
  unordered = false;
  readsZero = true;
  /** Called when a write starts; may wait or throw. */
  onWrite: (offset: number) => void | Promise<void> = () => {};
  /** Called when a run is placed. */
  onPlace: (run: PreparedRun) => void | Promise<void> = () => {};

  constructor(
    readonly size: number,
    readonly unit = 512,
  ) {
    this.bytes = new Uint8Array(size);
  }

  async place(run: PreparedRun): Promise<PendingWrite> {
    this.log.push(`place ${run.offset}+${run.length}`);
    await this.onPlace(run);
    return async () => {
      this.log.push(`write ${run.offset}`);
      await this.onWrite(run.offset);
      for (const piece of run.pieces) {
        if (piece.kind === 'data') this.bytes.set(piece.bytes, piece.offset);
        else this.bytes.fill(0, piece.offset, piece.offset + piece.length);
      }
      this.log.push(`written ${run.offset}`);
    };
  }

  async finish(): Promise<void> {
    this.log.push('finish');
  }

  async close(): Promise<void> {}

  /** Offsets of the log's lines that begin with `what`. */
  offsets(what: string): number[] {
    return this.log
      .filter((line) => line.startsWith(`${what} `))
      .map((line) => Number.parseInt(line.split(' ')[1]!, 10));
  }
}
