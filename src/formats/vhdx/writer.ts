/** Filling a new VHDX image: blocks as they come, then the table, the signature last. */
import type { ImageWriter, PendingWrite, PreparedRun } from '../../image/image.js';
import { FILE_IDENTIFIER, FILE_SIGNATURE } from './layout.js';
import { performWrites, placeRun, type WritingParts } from './placing.js';

/** Runs are cut on pages. */
export const UNIT = 4096;

const CREATOR = 'diskloom';

export class VhdxWriter implements ImageWriter {
  readonly size: number;
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = false;
  readonly readsZero: boolean;

  constructor(
    private readonly parts: WritingParts,
    private readonly flushes: boolean,
  ) {
    this.size = parts.metadata.size;
    this.readsZero = !parts.metadata.isFixed || parts.store.readsZero;
  }

  async place(run: PreparedRun): Promise<PendingWrite | undefined> {
    const pieces = this.readsZero ? run.pieces.filter(({ kind }) => kind !== 'zero') : run.pieces;
    const writes = await placeRun(this.parts, { ...run, pieces });
    return writes.length === 0 ? undefined : () => performWrites(this.parts.store, writes);
  }

  async finish(): Promise<void> {
    const { store, bat, space } = this.parts;
    await bat.flush();
    await space.settle();
    if (this.flushes) await store.flush();
    await store.write(0, identifier());
    if (this.flushes) await store.flush();
  }

  close(): Promise<void> {
    return this.parts.store.close();
  }
}

function identifier(): Uint8Array {
  const bytes = new Uint8Array(FILE_IDENTIFIER.size);
  const creator = new Uint8Array(2 * CREATOR.length);
  for (let at = 0; at < CREATOR.length; at++) creator[2 * at] = CREATOR.charCodeAt(at);
  FILE_IDENTIFIER.write(bytes, { signature: FILE_SIGNATURE, creator });
  return bytes;
}
