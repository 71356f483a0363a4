/** Where the grains of a hosted sparse or COWD extent lie. */
import { corrupt, ImageError } from '../../errors.js';
import type { AppendSpace } from '../../image/blocks/append-space.js';
import { type BlockPlace, UNALLOCATED, type WritableBlockMap, ZERO } from '../../image/blocks/block-map.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { GRAIN_MARKER, SECTOR, ZERO_GRAIN } from './layout.js';
import type { SparseShape } from './sparse-header.js';
import { GrainTables } from './tables.js';

/** Entries of tables are sectors of 32 bits. */
const LAST_SECTOR = 0xffff_ffff;
const BEYOND_END = 'beyond the end of its file';

/** Where an extent is written to. */
export interface WritableFile {
  sink: ByteSink;
  /** Begins behind all that is in the file. */
  space: AppendSpace;
}

export class GrainMap implements WritableBlockMap {
  readonly blockSize: number;
  readonly markZero?: (index: number) => Promise<void>;
  readonly tables: GrainTables;
  /** Kept equal to `tables`, never read. */
  readonly #redundant: GrainTables | null;

  /**
   * @param file null: the extent is only read
   * @param memory bytes of grain tables in memory
   */
  constructor(
    private readonly source: ByteSource,
    private readonly shape: SparseShape,
    private readonly file: WritableFile | null,
    memory: number,
  ) {
    const { grainSize, directory, redundantDirectory, zeroGrains } = shape;
    this.blockSize = grainSize;
    const sink = file?.sink ?? null;
    this.tables = new GrainTables(source, sink, directory, shape, memory);
    this.#redundant =
      sink === null || redundantDirectory === null || redundantDirectory === directory
        ? null
        : new GrainTables(source, sink, redundantDirectory, shape, memory);
    if (zeroGrains) this.markZero = (index) => this.#assign(index, ZERO_GRAIN);
  }

  find(index: number): MaybePromise<BlockPlace> {
    const entry = this.tables.get(index);
    return isPending(entry) ? entry.then((arrived) => this.#placeOf(arrived, index)) : this.#placeOf(entry, index);
  }

  absentFrom(index: number): number {
    return this.tables.absentFrom(index);
  }

  async allocate(index: number): Promise<number> {
    const host = this.take(this.blockSize, this.blockSize);
    await this.#assign(index, host / SECTOR);
    return host;
  }

  /** Enters a grain that was written elsewhere: at a byte of the file. */
  assign(index: number, host: number): Promise<void> {
    return this.#assign(index, host / SECTOR);
  }

  /** Takes space at the end of the file. Throws `no-space` where no entry could lead to it. */
  take(length: number, alignment: number): number {
    const start = this.file!.space.take(length, alignment);
    if (start / SECTOR > LAST_SECTOR)
      throw new ImageError('no-space', 'The extent has reached the limit of 2 TiB', { file: this.source.name });
    return start;
  }

  get isCrowded(): boolean {
    return this.tables.isCrowded || (this.#redundant?.isCrowded ?? false);
  }

  /** The redundant tables first, as QEMU does it: one of both is right at each moment. */
  async commit(): Promise<void> {
    await this.#redundant?.commit();
    await this.tables.commit();
  }

  /** Throws `corrupt` for a directory that cannot be right. */
  async check(): Promise<void> {
    await this.tables.check(this.source.size);
    await this.#redundant?.check(this.source.size);
  }

  async #assign(index: number, entry: number): Promise<void> {
    for (const tables of this.#redundant === null ? [this.tables] : [this.#redundant, this.tables]) {
      const table = Math.floor(index / this.shape.entriesPerTable);
      if ((await tables.tableAt(table)) === 0) await tables.addTable(table, this.take(tables.tableSize, SECTOR));
      await tables.set(index, entry);
    }
  }

  #placeOf(entry: number, index: number): BlockPlace {
    if (entry === 0) return UNALLOCATED;
    if (entry === ZERO_GRAIN && this.shape.zeroGrains) return ZERO;
    const host = entry * SECTOR;
    this.#check(host);
    return this.shape.packed === null ? host : { host, length: this.#packedLength(entry, index) };
  }

  /** The marker tells a stream's length; without reading it, the next grain bounds it. As QEMU, at most two grains. */
  #packedLength(entry: number, index: number): number {
    const most = Math.min(2 * this.blockSize + GRAIN_MARKER.size, this.source.size - entry * SECTOR);
    if ((index + 1) * this.blockSize >= this.shape.size) return most;
    const next = this.tables.peekBehind(index + 1);
    return next === null || next <= entry ? most : Math.min(most, (next - entry) * SECTOR);
  }

  #check(host: number): void {
    const { directory, redundantDirectory, directoryEntries } = this.shape;
    const length = this.shape.packed === null ? this.blockSize : SECTOR;
    const covers = (start: number, count: number) => host < start + count && host + length > start;
    const size = directoryEntries * 4;
    const isMeta = covers(0, SECTOR) || covers(directory, size);
    if (isMeta || (redundantDirectory !== null && covers(redundantDirectory, size)))
      throw corrupt(`The grain at offset ${host} overlaps with the image's own structures`, { offset: host });
    if (host >= Math.max(this.source.size, this.file?.space.end ?? 0)) throw beyondEnd(host);
  }
}

/** A grain that begins where its file has ended. */
export function beyondEnd(host: number): ImageError {
  return corrupt(`The grain at offset ${host} lies ${BEYOND_END}`, { offset: host });
}

/** It was thrown for such a grain. */
export function isBeyondEnd(error: ImageError): boolean {
  return error.message.endsWith(BEYOND_END);
}
