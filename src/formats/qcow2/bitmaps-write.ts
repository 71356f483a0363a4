/**
 * Storing persistent dirty bitmaps.
 *
 * Specification: QEMU, docs/interop/qcow2, "Bitmaps". For each bitmap: clusters with its bits, where any are set; then
 * its table. When all are stored, the directory that names them; then the header's extension points to that.
 */
import { isZero, roundUp, viewOf, writeU64 } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { BitmapInfo, BitmapStretch } from '../../image/image.js';
import { type Bitmap, isSoundEntry } from './bitmaps.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import { AUTOCLEAR, BITMAP_ENTRY, BITMAP_FLAG, DIRTY_TRACKING, ENTRY_SIZE, hostOffsetOf, LIMITS } from './layout.js';
import type { WritingParts } from './parts.js';
import { perform } from './steps.js';

const utf8 = new TextEncoder();

export class BitmapStore {
  readonly #bitmaps: Bitmap[];
  #isChanged = false;

  /** @param existing what the image has already */
  constructor(
    private readonly parts: WritingParts,
    existing: readonly Bitmap[] = [],
  ) {
    this.#bitmaps = [...existing];
  }

  /** The directory's entries, in order. */
  get all(): readonly Bitmap[] {
    return this.#bitmaps;
  }

  /**
   * Stores a new bitmap. Throws `exists` for a name that is taken, `unsupported` for version 2, `invalid` for what the
   * format cannot hold, all worded as `qemu-img` does.
   */
  async add(bitmap: BitmapInfo, content: AsyncIterable<BitmapStretch>): Promise<void> {
    if (this.parts.header.version < 3)
      throw new ImageError('unsupported', 'Cannot store dirty bitmaps in qcow2 v2 files');
    if (this.#bitmaps.some(({ name }) => name === bitmap.name))
      throw new ImageError('exists', `Bitmap already exists: ${bitmap.name}`);
    if (this.#bitmaps.length === LIMITS.bitmaps)
      throw new ImageError('invalid', 'Maximum number of persistent bitmaps is already reached');
    this.#checkConstraints(bitmap);
    this.#bitmaps.push(await this.#store(bitmap, content));
    this.#isChanged = true;
  }

  /**
   * Stores the content of an existing bitmap anew, as that of `info`, and returns it as it is now; the clusters of the old
   * one are free afterwards. Throws `invalid` as `add` does.
   */
  async replace(
    bitmap: Bitmap,
    content: AsyncIterable<BitmapStretch>,
    info: BitmapInfo = bitmap,
    inUse = false,
  ): Promise<Bitmap> {
    this.#checkConstraints(info);
    const old = await this.#clustersOf(bitmap);
    const stored = { ...(await this.#store(info, content)), inUse };
    this.change(bitmap, stored);
    await this.#free(old);
    return stored;
  }

  /** Puts another entry in the place of an existing one. */
  change(bitmap: Bitmap, changed: Bitmap): void {
    this.#bitmaps[this.#bitmaps.indexOf(bitmap)] = changed;
    this.#isChanged = true;
  }

  async remove(bitmap: Bitmap): Promise<void> {
    const old = await this.#clustersOf(bitmap);
    this.#bitmaps.splice(this.#bitmaps.indexOf(bitmap), 1);
    this.#isChanged = true;
    await this.#free(old);
  }

  /** Marks existing bitmaps as being in use, in the directory where it lies; returns them as they are now. */
  async markInUse(affected: readonly Bitmap[]): Promise<Bitmap[]> {
    if (affected.length === 0) return [];
    const marked = affected.map((bitmap) => ({ ...bitmap, inUse: true }));
    for (const [index, bitmap] of affected.entries()) this.#bitmaps[this.#bitmaps.indexOf(bitmap)] = marked[index]!;
    await this.parts.store.write(this.parts.header.extensions.bitmaps!.directoryOffset, this.#directory());
    return marked;
  }

  /** Writes the directory and enters it in the header, which the caller writes; false if there is nothing new. */
  async finish(): Promise<boolean> {
    if (!this.#isChanged) return false;
    this.#isChanged = false;
    const { header, store, space, refcounts } = this.parts;
    const old = header.extensions.bitmaps;
    if (old !== null) {
      await perform(refcounts.free(old.directoryOffset, old.directorySize));
      refcounts.unprotect(old.directoryOffset, old.directorySize);
    }
    if (this.#bitmaps.length === 0) {
      header.extensions.bitmaps = null;
      header.autoclearFeatures &= ~AUTOCLEAR.bitmaps;
      return true;
    }
    const directory = this.#directory();
    if (directory.length > LIMITS.bitmapDirectoryBytes)
      throw new ImageError('invalid', 'Bitmap directory is too large');
    const offset = await perform(refcounts.allocate(Math.ceil(directory.length / clusterSizeOf(header))));
    space.claim(offset, directory.length);
    await store.write(offset, directory);
    header.extensions.bitmaps = {
      count: this.#bitmaps.length,
      directorySize: directory.length,
      directoryOffset: offset,
    };
    header.autoclearFeatures |= AUTOCLEAR.bitmaps;
    return true;
  }

  #checkConstraints(bitmap: BitmapInfo): void {
    const violation = constraintViolation(this.parts.header, bitmap);
    if (violation !== null)
      throw new ImageError('invalid', `Bitmap '${bitmap.name}' doesn't satisfy the constraints: ${violation}`);
  }

  /** The clusters of a bitmap's bits and of its table; none where the table is damaged, so that they stay. */
  async #clustersOf({ tableOffset, tableSize }: Bitmap): Promise<{ offset: number; length: number }[]> {
    const { header, store } = this.parts;
    const clusterSize = clusterSizeOf(header);
    const bytes = new Uint8Array(tableSize * ENTRY_SIZE);
    if (tableOffset + bytes.length > store.size) return [];
    await store.read(tableOffset, bytes);
    const table = viewOf(bytes);
    const clusters = [{ offset: tableOffset, length: bytes.length }];
    for (let at = 0; at < bytes.length; at += ENTRY_SIZE) {
      const [high, low] = [table.getUint32(at), table.getUint32(at + 4)];
      if (!isSoundEntry(high, low, clusterSize)) return [];
      const offset = hostOffsetOf(high, low);
      if (offset !== 0) clusters.push({ offset, length: clusterSize });
    }
    return clusters;
  }

  async #free(clusters: readonly { offset: number; length: number }[]): Promise<void> {
    for (const { offset, length } of clusters) await perform(this.parts.refcounts.free(offset, length));
  }

  /** Writes bits and table; nothing refers to them yet. */
  async #store(bitmap: BitmapInfo, content: AsyncIterable<BitmapStretch>): Promise<Bitmap> {
    const { header, store, space, refcounts } = this.parts;
    const clusterSize = clusterSizeOf(header);
    const perCluster = clusterSize * 8 * bitmap.granularity;
    const tableSize = Math.ceil(header.size / perCluster);
    const table = viewOf(new Uint8Array(tableSize * ENTRY_SIZE));
    const { name, granularity, auto } = bitmap;
    const taken: { offset: number; length: number }[] = [];
    try {
      for await (const { index, bytes } of clustersOf(content, granularity, clusterSize, header.size)) {
        if (isZero(bytes)) continue;
        const offset = await perform(refcounts.allocate(1));
        taken.push({ offset, length: clusterSize });
        space.claim(offset, clusterSize);
        await store.write(offset, bytes);
        writeU64(table, index * ENTRY_SIZE, offset, false);
      }
      const tableOffset = await perform(refcounts.allocate(Math.ceil(table.byteLength / clusterSize)));
      taken.push({ offset: tableOffset, length: table.byteLength });
      space.claim(tableOffset, table.byteLength);
      await store.write(tableOffset, new Uint8Array(table.buffer));
      return { name, granularity, auto, inUse: false, tableOffset, tableSize };
    } catch (error) {
      await this.#free(taken);
      throw error instanceof ImageError ? error.prefixed(`Failed to write bitmap '${name}' to file: `) : error;
    }
  }

  #directory(): Uint8Array {
    const names = this.#bitmaps.map(({ name }) => utf8.encode(name));
    const sizes = names.map((name) => roundUp(BITMAP_ENTRY.size + name.length, 8));
    const directory = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const [index, bitmap] of this.#bitmaps.entries()) {
      const flags = (bitmap.inUse ? BITMAP_FLAG.inUse : 0) | (bitmap.auto ? BITMAP_FLAG.auto : 0);
      const entry = {
        tableOffset: BigInt(bitmap.tableOffset),
        tableSize: bitmap.tableSize,
        flags,
        type: DIRTY_TRACKING,
        granularityBits: Math.log2(bitmap.granularity),
        nameLength: names[index]!.length,
        extraDataSize: 0,
      };
      BITMAP_ENTRY.write(directory, entry, at);
      directory.set(names[index]!, at + BITMAP_ENTRY.size);
      at += sizes[index]!;
    }
    return directory;
  }
}

/** Why the format cannot hold such a bitmap, as QEMU words it; null: it can. */
export function constraintViolation(
  { size, clusterBits }: QcowHeader,
  { name, granularity }: Pick<BitmapInfo, 'name' | 'granularity'>,
): string | null {
  const [largest, smallest] = [2 ** LIMITS.maxGranularityBits, 2 ** LIMITS.minGranularityBits];
  if (granularity > largest) return `Granularity exceeds maximum (${largest} bytes)`;
  if (granularity < smallest) return `Granularity is under minimum (${smallest} bytes)`;
  const bytes = Math.ceil(Math.ceil(size / granularity) / 8);
  if (bytes > Math.min(LIMITS.bitmapBytes, LIMITS.bitmapTableEntries * 2 ** clusterBits))
    return 'Too much space will be occupied by the bitmap. Use larger granularity';
  if (utf8.encode(name).length > LIMITS.bitmapName)
    return `Name length exceeds maximum (${LIMITS.bitmapName} characters)`;
  return null;
}

/** A bitmap's bits cut into clusters of the target, whatever the clusters of the source were. */
async function* clustersOf(
  content: AsyncIterable<BitmapStretch>,
  granularity: number,
  clusterSize: number,
  diskSize: number,
): AsyncGenerator<{ index: number; bytes: Uint8Array }> {
  const bytes = new Uint8Array(clusterSize);
  const perCluster = clusterSize * 8 * granularity;
  let index = 0;
  for await (const { start, length, bits } of content) {
    // Stretches begin at whole bytes of bits.
    for (let at = start; at < start + length; ) {
      const end = Math.min((index + 1) * perCluster, start + length);
      const into = bytes.subarray(
        (at - index * perCluster) / granularity / 8,
        Math.ceil((end - index * perCluster) / granularity / 8),
      );
      const from = (at - start) / granularity / 8;
      if (typeof bits === 'string') fillBits(into, bits === 'ones', Math.ceil((end - at) / granularity));
      else into.set(bits.subarray(from, from + into.length));
      at = end;
      if (end === (index + 1) * perCluster || end >= diskSize) {
        yield { index, bytes };
        bytes.fill(0);
        index++;
      }
    }
  }
}

/** The first `count` bits of `into` all set or all clear; what follows in the last byte is clear. */
function fillBits(into: Uint8Array, isOne: boolean, count: number): void {
  into.fill(isOne ? 0xff : 0);
  if (isOne && count % 8 !== 0) into[into.length - 1] = (1 << (count % 8)) - 1;
}
