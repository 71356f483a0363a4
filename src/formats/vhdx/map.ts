/**
 * The block allocation table: what each block is, and where it lies.
 *
 * The table holds an entry for each payload block, and after so many of them as make a chunk one for a sector bitmap,
 * which only differencing images use.
 *
 * Specification: [MS-VHDX], section 2.5.
 */
import { corrupt } from '../../errors.js';
import type { AppendSpace } from '../../image/blocks/append-space.js';
import { type BlockPlace, UNALLOCATED, type WritableBlockMap, ZERO } from '../../image/blocks/block-map.js';
import { EntryTable, U64_LE } from '../../image/blocks/entry-table.js';
import type { MixedBlock, SectorMap } from '../../image/blocks/sector-image.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { BITMAP_STATE, BLOCK_STATE, MIB } from './layout.js';
import { batEntries, chunkRatio, type DiskShape } from './metadata.js';
import type { Region } from './regions.js';

const PAGE = 64 * 1024;
/** States take the lowest bits of an entry; offsets are multiples of 1 MiB. */
const STATES = 8;

/** What an entry says: a state, and a byte of the file. */
export interface BatEntry {
  state: number;
  offset: number;
}

/** Where an image is written to. */
export interface WritableFile {
  sink: ByteSink;
  space: AppendSpace;
}

export class VhdxMap implements WritableBlockMap, SectorMap {
  readonly blockSize: number;
  readonly sectorSize: number;
  readonly highestFirst = false;
  readonly table: EntryTable;
  readonly #ratio: number;

  /**
   * @param file null: the table is only read
   * @throws `corrupt` for a table that is too small for the disk
   */
  constructor(
    private readonly source: ByteSource,
    region: Region,
    private readonly shape: DiskShape,
    private readonly file: WritableFile | null,
  ) {
    this.blockSize = shape.blockSize;
    this.sectorSize = shape.sectorSize;
    this.#ratio = chunkRatio(shape);
    const count = batEntries(shape);
    if (count * U64_LE.size > region.length) throw corrupt('The VHDX block allocation table is too small for the disk');
    const place = { start: region.offset, end: region.offset + region.length };
    const cache = new TableCache(source, file?.sink ?? null, PAGE, undefined, true, place);
    this.table = new EntryTable(cache, region.offset, count, U64_LE);
  }

  find(index: number): MaybePromise<BlockPlace> {
    const entry = this.entry(index);
    return isPending(entry) ? entry.then((arrived) => this.#placeOf(index, arrived)) : this.#placeOf(index, entry);
  }

  async allocate(index: number): Promise<number> {
    const { space } = this.file!;
    const offset = space.take(this.blockSize, MIB);
    await this.table.set(this.indexOf(index), offset + BLOCK_STATE.fullyPresent);
    return offset;
  }

  get isCrowded(): boolean {
    return this.table.cache.isCrowded;
  }

  commit(): Promise<void> {
    return this.table.cache.flush();
  }

  /** What the table says of payload block `block`. */
  entry(block: number): MaybePromise<BatEntry> {
    const value = this.table.get(this.indexOf(block));
    return isPending(value) ? value.then(entryOf) : entryOf(value);
  }

  /** What the table says of the sector bitmap that describes payload block `block`. */
  async bitmapEntry(block: number): Promise<BatEntry> {
    return entryOf(await this.table.get((Math.floor(block / this.#ratio) + 1) * (this.#ratio + 1) - 1));
  }

  /** Some of the block's sectors are the parent's. */
  isMixed(block: number): MaybePromise<boolean> {
    const entry = this.entry(block);
    const isPartial = ({ state }: BatEntry) => state === BLOCK_STATE.partiallyPresent;
    return isPending(entry) ? entry.then(isPartial) : isPartial(entry);
  }

  /** Which of its sectors are not; section 2.5.2. */
  async mixed(block: number): Promise<MixedBlock> {
    const host = this.hostOf(block, await this.entry(block));
    const { state, offset } = await this.bitmapEntry(block);
    const bits = new Uint8Array(this.blockSize / this.sectorSize / 8);
    // A bitmap has 1 MiB, for all blocks of a chunk.
    const at = offset + (block % (MIB / bits.length)) * bits.length;
    if (state !== BITMAP_STATE.present || offset < MIB || at + bits.length > this.source.size)
      throw corrupt(`The VHDX sector bitmap of block ${block} is missing`);
    await this.source.read(at, bits);
    return { host, bits };
  }

  /** Where the entry of payload block `block` is in the table. */
  indexOf(block: number): number {
    return block + Math.floor(block / this.#ratio);
  }

  /** The place of a block that is present. Throws `corrupt` for one that is not in the file. */
  hostOf(block: number, { offset }: BatEntry): number {
    const start = block * this.blockSize;
    // Old images end with the disk, within the last block.
    const length = Math.min(this.blockSize, this.shape.size - start);
    if (offset < MIB) throw corrupt(`The VHDX block at ${start} lies in the header`, { offset: start });
    const end = Math.max(this.source.size, this.file?.space.end ?? 0);
    if (offset + length > end)
      throw corrupt(`The VHDX block at ${start} ends beyond the end of the file. Image has probably been truncated.`, {
        offset: start,
      });
    return offset;
  }

  #placeOf(block: number, entry: BatEntry): BlockPlace {
    switch (entry.state) {
      case BLOCK_STATE.fullyPresent:
        return this.hostOf(block, entry);
      case BLOCK_STATE.notPresent:
        return UNALLOCATED;
      case BLOCK_STATE.unmapped:
      case BLOCK_STATE.unmappedDraft:
        return this.shape.isDifferencing ? UNALLOCATED : ZERO;
      case BLOCK_STATE.undefined:
      case BLOCK_STATE.zero:
        return ZERO;
      default:
        throw corrupt(`The VHDX block ${block} has the state ${entry.state}, which cannot be`);
    }
  }
}

function entryOf(value: number): BatEntry {
  return { state: value % STATES, offset: value - (value % MIB) };
}
