/** The block allocation table of a Parallels image: for each cluster its place in the file, 0 if it has none. */
import { corrupt, ImageError } from '../../errors.js';
import type { AppendSpace } from '../../image/blocks/append-space.js';
import { type BlockPlace, UNALLOCATED, type WritableBlockMap } from '../../image/blocks/block-map.js';
import { EntryTable, U32_LE } from '../../image/blocks/entry-table.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { batEnd, type ParallelsHeader } from './header.js';
import { BAT_OFFSET } from './layout.js';

const PAGE = 64 * 1024;

/** What of the header a map needs. */
export type MapShape = Pick<ParallelsHeader, 'batEntries' | 'clusterSize' | 'entryUnit'>;

/** Where an image is written to. */
export interface WritableFile {
  sink: ByteSink;
  space: AppendSpace;
  /** Space for a new cluster was taken. */
  grown(): MaybePromise<void>;
}

export class ParallelsMap implements WritableBlockMap {
  readonly blockSize: number;
  readonly table: EntryTable;

  /** @param file null: the image is only read */
  constructor(
    private readonly source: ByteSource,
    private readonly shape: MapShape,
    private readonly file: WritableFile | null,
  ) {
    this.blockSize = shape.clusterSize;
    this.table = batOf(source, file?.sink ?? null, shape);
  }

  find(index: number): MaybePromise<BlockPlace> {
    const entry = this.table.get(index);
    return isPending(entry) ? entry.then((arrived) => this.#placeOf(arrived)) : this.#placeOf(entry);
  }

  async allocate(index: number): Promise<number> {
    const { clusterSize, entryUnit } = this.shape;
    const { space, grown } = this.file!;
    const host = space.take(clusterSize, entryUnit);
    if (host / entryUnit > 0xffff_ffff) throw new ImageError('unsupported', 'The image has too many clusters');
    await grown();
    await this.table.set(index, host / entryUnit);
    return host;
  }

  get isCrowded(): boolean {
    return this.table.cache.isCrowded;
  }

  commit(): Promise<void> {
    return this.table.cache.flush();
  }

  #placeOf(entry: number): number {
    if (entry === 0) return UNALLOCATED;
    const { entryUnit } = this.shape;
    const host = entry * entryUnit;
    if (host < batEnd(this.shape))
      throw corrupt(`The Parallels cluster at offset ${host} lies in the header`, { offset: host });
    if (host >= Math.max(this.source.size, this.file?.space.end ?? 0))
      throw corrupt(`The Parallels cluster at offset ${host} lies beyond the end of the file`, { offset: host });
    return host;
  }
}

/** The table itself. */
export function batOf(source: ByteSource, sink: ByteSink | null, shape: MapShape): EntryTable {
  const region = { start: BAT_OFFSET, end: batEnd(shape) };
  const cache = new TableCache(source, sink, PAGE, undefined, true, region);
  return new EntryTable(cache, BAT_OFFSET, shape.batEntries, U32_LE);
}

/** Byte of the file behind the last cluster, wherever that is said to be. */
export async function endOfData(
  bat: EntryTable,
  { dataStart, entryUnit, clusterSize }: ParallelsHeader,
): Promise<number> {
  let end = dataStart;
  for (let index = 0; index < bat.count; index++) {
    const answer = bat.get(index);
    const entry = isPending(answer) ? await answer : answer;
    if (entry !== 0) end = Math.max(end, entry * entryUnit + clusterSize);
  }
  return end;
}
