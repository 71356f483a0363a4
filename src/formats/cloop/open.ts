/**
 * Opening cloop images: a text that mounts them, a table of offsets, and blocks, each a zlib stream.
 *
 * There is no specification but the tools; the limits and their words are QEMU's.
 */
import { fields, roundUp } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { BlockImage } from '../../image/blocks/block-image.js';
import type { BlockMap, BlockPlace } from '../../image/blocks/block-map.js';
import { EntryTable, U64_BE } from '../../image/blocks/entry-table.js';
import type { DriverContext } from '../../image/driver.js';
import { PackedClusters } from '../../image/packed.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';

const TEXT = '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n';

/** Behind 128 bytes of text; big-endian. */
export const HEADER = fields('big', { blockSize: [128, 'u32'], blocks: [132, 'u32'] });
/** Where each block begins, and where the last one ends; 64-bit. */
const OFFSETS_AT = 136;

const SECTOR = 512;
const MIB = 1024 * 1024;
const LARGEST_BLOCK = 64 * MIB;
const MOST_BLOCKS = Math.floor((2 ** 32 - 2) / U64_BE.size);
const LARGEST_TABLE = 512 * MIB;
const PAGE = 64 * 1024;

/** The file begins with the text, as far as it goes. */
export function isCloop(head: Uint8Array): boolean {
  const length = Math.min(TEXT.length, head.length);
  for (let at = 0; at < length; at++) if (head[at] !== TEXT.charCodeAt(at)) return false;
  return length > 0;
}

/** Throws `corrupt`. */
export async function openCloop(source: ByteSource, { kernels }: DriverContext): Promise<BlockImage> {
  const bytes = new Uint8Array(HEADER.size);
  await readPadded(source, 0, bytes);
  const { blockSize, blocks } = HEADER.read(bytes);
  if (blockSize % SECTOR !== 0) throw corrupt(`block_size ${blockSize} must be a multiple of 512`);
  if (blockSize === 0) throw corrupt('block_size cannot be zero');
  if (blockSize > LARGEST_BLOCK) throw corrupt(`block_size ${blockSize} must be 64 MB or less`);
  if (blocks > MOST_BLOCKS) throw corrupt(`n_blocks ${blocks} must be ${MOST_BLOCKS} or less`);
  const tableSize = (blocks + 1) * U64_BE.size;
  if (tableSize > LARGEST_TABLE) throw corrupt('image requires too many offsets, try increasing block size');
  if (OFFSETS_AT + tableSize > roundUp(source.size, SECTOR))
    throw corrupt('The table of offsets ends beyond the end of the file');
  return new BlockImage({
    format: 'cloop',
    source,
    map: new CloopMap(source, blockSize, blocks),
    size: blocks * blockSize,
    details: () => ({ dirty: null }),
    packed: new PackedClusters(source, kernels, 'zlib', blockSize),
  });
}

/** All blocks are compressed. */
class CloopMap implements BlockMap {
  readonly #offsets: EntryTable;

  constructor(
    private readonly source: ByteSource,
    readonly blockSize: number,
    blocks: number,
  ) {
    const region = { start: OFFSETS_AT, end: OFFSETS_AT + (blocks + 1) * U64_BE.size };
    const cache = new TableCache(source, null, PAGE, undefined, false, region);
    this.#offsets = new EntryTable(cache, OFFSETS_AT, blocks + 1, U64_BE);
  }

  find(index: number): MaybePromise<BlockPlace> {
    const start = this.#offsets.get(index);
    const end = this.#offsets.get(index + 1);
    return isPending(start) || isPending(end) ? this.#findLater(index, start, end) : this.#placeOf(index, start, end);
  }

  async #findLater(index: number, start: MaybePromise<number>, end: MaybePromise<number>): Promise<BlockPlace> {
    const [from, to] = await Promise.all([start, end]);
    return this.#placeOf(index, from, to);
  }

  #placeOf(index: number, start: number, end: number): BlockPlace {
    if (end < start) throw corrupt(`offsets not monotonically increasing at index ${index + 1}, image file is corrupt`);
    if (end - start > 2 * LARGEST_BLOCK)
      throw corrupt(`invalid compressed block size at index ${index + 1}, image file is corrupt`);
    if (end > this.source.size) throw corrupt(`block ${index} ends beyond the end of the file`);
    return { host: start, length: end - start };
  }
}
