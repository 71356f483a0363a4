/**
 * The block allocation table of a VHD: for each block the sector of the file at which its bitmap begins, and behind
 * that its content.
 *
 * The bitmap tells which sectors of the block are stored. In a differencing image the parent shows in the others; in a
 * dynamic one it is ignored in reading, as QEMU does, and all of a block that is written to is marked.
 */
import { corrupt } from '../../errors.js';
import type { AppendSpace } from '../../image/blocks/append-space.js';
import { type BlockPlace, UNALLOCATED, type WritableBlockMap, ZERO } from '../../image/blocks/block-map.js';
import { EntryTable, U32_BE } from '../../image/blocks/entry-table.js';
import type { MixedBlock, SectorMap } from '../../image/blocks/sector-image.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { bitmapSize, FOOTER_SIZE, HEADER_SIZE, type Header, NO_BLOCK, SECTOR } from './layout.js';

const PAGE = 64 * 1024;
/** Bitmaps that wait for being written at most. */
const MOST_BITMAPS = 65536;

/** What of the header a map needs. */
export type TableShape = Pick<Header, 'tableOffset' | 'tableEntries' | 'blockSize'> & { offset: number };

/** Where an image is written to. */
export interface WritableFile {
  sink: ByteSink;
  /** Begins behind the last block. */
  space: AppendSpace;
  /** Before the table refers to new blocks. */
  beforeTable(): Promise<void>;
}

export class VpcMap implements WritableBlockMap, SectorMap {
  readonly blockSize: number;
  readonly sectorSize = SECTOR;
  readonly highestFirst = true;
  readonly table: EntryTable;
  readonly #bitmapSize: number;
  /** Bytes of the file at which bitmaps begin that are to be filled with ones. */
  readonly #bitmaps = new Set<number>();
  /** The block that was written to last: its bitmap is full. */
  #full = -1;

  /** @param file null: the image is only read */
  constructor(
    private readonly source: ByteSource,
    private readonly shape: TableShape,
    private readonly isDifferencing: boolean,
    private readonly file: WritableFile | null,
  ) {
    const { tableOffset, tableEntries, blockSize } = shape;
    this.blockSize = blockSize;
    this.#bitmapSize = bitmapSize(blockSize);
    const region = { start: tableOffset, end: tableOffset + tableEntries * U32_BE.size };
    const cache = new TableCache(source, file?.sink ?? null, PAGE, undefined, true, region);
    this.table = new EntryTable(cache, tableOffset, tableEntries, U32_BE);
  }

  find(index: number): MaybePromise<BlockPlace> {
    const entry = this.table.get(index);
    return isPending(entry) ? entry.then((arrived) => this.#placeOf(arrived)) : this.#placeOf(entry);
  }

  async allocate(index: number): Promise<number> {
    const start = this.file!.space.take(this.#bitmapSize + this.blockSize, SECTOR);
    if (start / SECTOR >= NO_BLOCK) throw corrupt('The VHD file is too large for another block');
    await this.table.set(index, start / SECTOR);
    this.#bitmaps.add(start);
    this.#full = index;
    return start + this.#bitmapSize;
  }

  overwritten(index: number): MaybePromise<void> {
    if (this.#full === index) return;
    this.#full = index;
    const place = this.find(index);
    const fill = (arrived: BlockPlace) => void this.#bitmaps.add((arrived as number) - this.#bitmapSize);
    return isPending(place) ? place.then(fill) : fill(place);
  }

  get isCrowded(): boolean {
    return this.table.cache.isCrowded || this.#bitmaps.size >= MOST_BITMAPS;
  }

  /** Bitmaps, then the table that leads to them. */
  async commit(): Promise<void> {
    const { sink, beforeTable } = this.file!;
    const ones = new Uint8Array(this.#bitmapSize).fill(0xff);
    for (const start of this.#bitmaps) await sink.write(start, ones);
    this.#bitmaps.clear();
    await beforeTable();
    await this.table.cache.flush();
  }

  isMixed(index: number): MaybePromise<boolean> {
    const entry = this.table.get(index);
    return isPending(entry) ? entry.then((arrived) => arrived !== NO_BLOCK) : entry !== NO_BLOCK;
  }

  async mixed(index: number): Promise<MixedBlock> {
    const host = this.#hostOf(await this.table.get(index));
    const bits = new Uint8Array(this.#bitmapSize);
    await this.source.read(host - this.#bitmapSize, bits);
    return { host, bits };
  }

  /** Byte of the file behind the last block, whole sectors; what is there may be overwritten. Throws `corrupt`. */
  async end(): Promise<number> {
    const { tableOffset } = this.shape;
    let end = Math.ceil((tableOffset + this.table.length) / SECTOR) * SECTOR;
    for (let index = 0; index < this.table.count; index++) {
      const answer = this.table.get(index);
      const entry = isPending(answer) ? await answer : answer;
      if (entry !== NO_BLOCK) end = Math.max(end, this.#hostOf(entry) + this.blockSize);
    }
    return end;
  }

  #placeOf(entry: number): number {
    if (entry !== NO_BLOCK) return this.#hostOf(entry);
    return this.isDifferencing ? UNALLOCATED : ZERO;
  }

  /** Where a block's content begins. */
  #hostOf(entry: number): number {
    const start = entry * SECTOR;
    const host = start + this.#bitmapSize;
    const end = host + this.blockSize;
    const { offset, tableOffset } = this.shape;
    const covers = (from: number, length: number) => start < from + length && end > from;
    if (covers(0, FOOTER_SIZE) || covers(offset, HEADER_SIZE) || covers(tableOffset, this.table.length))
      throw corrupt(`The VHD block at offset ${start} overlaps with the image's own structures`, { offset: start });
    if (end > Math.max(this.source.size, this.file?.space.end ?? 0))
      throw corrupt(`The VHD block at offset ${start} ends beyond the end of the file. The image has been truncated.`, {
        offset: start,
      });
    return host;
  }
}
