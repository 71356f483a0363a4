/** The block map of a VDI image: block numbers of the file, in the order of the disk. */
import { corrupt, ImageError } from '../../errors.js';
import { type BlockPlace, isStored, UNALLOCATED, type WritableBlockMap, ZERO } from '../../image/blocks/block-map.js';
import { EntryTable, U32_LE } from '../../image/blocks/entry-table.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { BLOCK, FIRST_SPECIAL, NEVER_WRITTEN, TYPE, type VdiHeader } from './layout.js';

const PAGE = 64 * 1024;

export class VdiMap implements WritableBlockMap {
  readonly blockSize = BLOCK;
  readonly table: EntryTable;
  /** Number that the next new block gets; null: not looked for yet. */
  #next: number | null;
  /** Byte of the file behind the blocks that were given out, which need not be written yet. */
  #end: number;

  /** @param sink null: the map is only read */
  constructor(
    readonly header: VdiHeader,
    private readonly source: ByteSource,
    sink: ByteSink | null,
    isNew = false,
  ) {
    const { mapOffset, blocksInImage } = header;
    const region = { start: mapOffset, end: mapOffset + blocksInImage * U32_LE.size };
    const cache = new TableCache(source, sink, PAGE, undefined, true, region);
    this.table = new EntryTable(cache, mapOffset, blocksInImage, U32_LE);
    this.#next = isNew ? header.blocksAllocated : null;
    this.#end = isNew ? Number.POSITIVE_INFINITY : 0;
  }

  find(index: number): MaybePromise<BlockPlace> {
    const entry = this.table.get(index);
    return isPending(entry) ? entry.then((arrived) => this.#placeOf(arrived)) : this.#placeOf(entry);
  }

  async allocate(index: number): Promise<number> {
    this.#next ??= await this.#firstFree();
    const block = this.#next;
    if (block >= FIRST_SPECIAL) throw new ImageError('unsupported', 'The image has too many blocks');
    await this.table.set(index, block);
    this.#next++;
    this.header.blocksAllocated++;
    this.#end = Math.max(this.#end, this.header.dataOffset + this.#next * BLOCK);
    return this.#placeOf(block);
  }

  get isCrowded(): boolean {
    return this.table.cache.isCrowded;
  }

  commit(): Promise<void> {
    return this.table.cache.flush();
  }

  #placeOf(entry: number): number {
    if (entry === NEVER_WRITTEN && this.header.imageType === TYPE.differencing) return UNALLOCATED;
    if (entry >= FIRST_SPECIAL) return ZERO;
    const host = this.header.dataOffset + entry * BLOCK;
    if (host >= Math.max(this.source.size, this.#end))
      throw corrupt(`The VDI block at offset ${host} lies beyond the end of the file`, { offset: host });
    return host;
  }

  /** Behind the last block in use, whatever the header counts: a wrong count must not cost data. Throws `corrupt`. */
  async #firstFree(): Promise<number> {
    let next = this.header.blocksAllocated;
    for (let index = 0; index < this.table.count; index++) {
      const answer = this.table.get(index);
      const entry = isPending(answer) ? await answer : answer;
      if (isStored(this.#placeOf(entry)) && entry >= next) next = entry + 1;
    }
    return next;
  }
}
