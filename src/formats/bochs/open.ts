/**
 * Opening Bochs images of the subtype "growing": a catalog of extents, each of them a bitmap of its sectors and the
 * sectors.
 *
 * There is no specification but the emulator's sources; the checks and their words are QEMU's.
 */
import { cString, fields, isPowerOfTwo, viewOf } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { type BlockPlace, UNALLOCATED } from '../../image/blocks/block-map.js';
import { EntryTable, U32_LE } from '../../image/blocks/entry-table.js';
import { type MixedBlock, SectorImage, type SectorMap } from '../../image/blocks/sector-image.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';

export const HEADER = fields('little', {
  magic: [0, { bytes: 32 }],
  type: [32, { bytes: 16 }],
  subtype: [48, { bytes: 16 }],
  version: [64, 'u32'],
  /** Bytes of the header. */
  size: [68, 'u32'],
  catalogEntries: [72, 'u32'],
  /** Bytes of a bitmap, and of the sectors that it describes. */
  bitmapSize: [76, 'u32'],
  extentSize: [80, 'u32'],
});

type BochsHeader = ReturnType<typeof HEADER.read>;

const HEADER_SIZE = 512;
const VERSION_1 = 0x00010000;
const VERSION_2 = 0x00020000;
/** Where the size of the disk is. */
const DISK_SIZE_AT = { [VERSION_1]: 84, [VERSION_2]: 88 } as const;

const SECTOR = 512;
/** QEMU's limits. */
const MOST_EXTENTS = 0x100000;
const LARGEST_EXTENT = 0x800000;
/** A catalog entry: the extent is not in the file. */
const NO_EXTENT = 0xffffffff;
const PAGE = 64 * 1024;

/** The file begins with the header of such an image. */
export function isBochs(head: Uint8Array): boolean {
  if (head.length < HEADER_SIZE) return false;
  const { magic, type, subtype, version } = HEADER.read(head);
  const isGrowing = cString(type) === 'Redolog' && cString(subtype) === 'Growing';
  return cString(magic) === 'Bochs Virtual HD Image' && isGrowing && (version === VERSION_1 || version === VERSION_2);
}

/** Throws `corrupt`. */
export async function openBochs(source: ByteSource): Promise<SectorImage> {
  const bytes = new Uint8Array(HEADER_SIZE);
  await readPadded(source, 0, bytes);
  if (!isBochs(bytes)) throw corrupt('Image not in Bochs format');
  const header = HEADER.read(bytes);
  const sizeAt = DISK_SIZE_AT[header.version as keyof typeof DISK_SIZE_AT];
  const sectors = viewOf(bytes).getBigUint64(sizeAt, true) / BigInt(SECTOR);
  checkHeader(header, sectors, source.size);
  const size = Number(sectors) * SECTOR;
  return new SectorImage({
    format: 'bochs',
    source,
    map: new BochsMap(source, header),
    size,
    details: () => ({ dirty: null }),
  });
}

function checkHeader({ size, catalogEntries, bitmapSize, extentSize }: BochsHeader, sectors: bigint, fileSize: number) {
  if (catalogEntries > MOST_EXTENTS) throw corrupt('Catalog size is too large');
  if (extentSize < SECTOR) throw corrupt('Extent size must be at least 512');
  if (!isPowerOfTwo(extentSize)) throw corrupt(`Extent size ${extentSize} is not a power of two`);
  if (extentSize > LARGEST_EXTENT) throw corrupt(`Extent size ${extentSize} is too large`);
  if (sectors * BigInt(SECTOR) > BigInt(catalogEntries * extentSize))
    throw corrupt('Catalog size is too small for this disk size');
  if (size + catalogEntries * U32_LE.size > fileSize) throw corrupt('The catalog ends beyond the end of the file');
  if (bitmapSize * 8 < extentSize / SECTOR) throw corrupt('The bitmaps are too small for the extents');
}

class BochsMap implements SectorMap {
  readonly blockSize: number;
  readonly sectorSize = SECTOR;
  readonly highestFirst = false;
  readonly #catalog: EntryTable;
  /** Byte of the file at which the first extent's bitmap begins. */
  readonly #start: number;
  /** Bytes of a bitmap, whole sectors. */
  readonly #bitmapSize: number;

  constructor(
    private readonly source: ByteSource,
    { size, catalogEntries, bitmapSize, extentSize }: BochsHeader,
  ) {
    this.blockSize = extentSize;
    this.#bitmapSize = Math.ceil(bitmapSize / SECTOR) * SECTOR;
    this.#start = size + catalogEntries * U32_LE.size;
    const cache = new TableCache(source, null, PAGE, undefined, false, { start: size, end: this.#start });
    this.#catalog = new EntryTable(cache, size, catalogEntries, U32_LE);
  }

  /** Extents in the file are told of by sector. */
  find(): BlockPlace {
    return UNALLOCATED;
  }

  isMixed(index: number): MaybePromise<boolean> {
    const entry = this.#catalog.get(index);
    return isPending(entry) ? entry.then((arrived) => arrived !== NO_EXTENT) : entry !== NO_EXTENT;
  }

  async mixed(index: number): Promise<MixedBlock> {
    const entry = await this.#catalog.get(index);
    const start = this.#start + entry * (this.#bitmapSize + this.blockSize);
    const host = start + this.#bitmapSize;
    if (host > this.source.size)
      throw corrupt(`The Bochs extent ${index} lies beyond the end of the file`, { offset: start });
    const bits = new Uint8Array(Math.ceil(this.blockSize / SECTOR / 8));
    await this.source.read(start, bits);
    return { host, bits };
  }
}
