/** Reading, checking and writing the header of a QED image; the order and the words of the checks are QEMU's. */
import { isPowerOfTwo, roundDown } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { BackingReference, GrowthPreallocation } from '../../image/image.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { FEATURE, HEADER, KNOWN_FEATURES, LIMITS, largestDisk, MAGIC, type QedHeader, SECTOR } from './layout.js';

/** Throws `corrupt` or `unsupported`. */
export async function readHeader(source: ByteSource): Promise<QedHeader> {
  const bytes = new Uint8Array(HEADER.size);
  await readPadded(source, 0, bytes);
  const header = HEADER.read(bytes);
  if (header.magic !== MAGIC) throw corrupt('Image not in QED format');
  const unknown = header.features & ~KNOWN_FEATURES;
  if (unknown !== 0n) throw new ImageError('unsupported', `Unsupported QED features: ${unknown.toString(16)}`);
  if (!isClusterSize(header.clusterSize)) throw corrupt('QED cluster size is invalid');
  if (!isTableSize(header.tableSize)) throw corrupt('QED table size is invalid');
  if (!isDiskSize(header.imageSize, header.clusterSize, header.tableSize)) throw corrupt('QED image size is invalid');
  if (!isTableOffset(header, header.l1TableOffset, source.size)) throw corrupt('QED table offset is invalid');
  if (header.headerSize * header.clusterSize > 0xffff_ffff) throw corrupt('QED header size is too large');
  return header;
}

export function isClusterSize(size: number): boolean {
  return isPowerOfTwo(size) && size >= LIMITS.clusterSize.least && size <= LIMITS.clusterSize.most;
}

export function isTableSize(size: number): boolean {
  return isPowerOfTwo(size) && size >= LIMITS.tableSize.least && size <= LIMITS.tableSize.most;
}

export function isDiskSize(size: number, clusterSize: number, tableSize: number): boolean {
  return size % SECTOR === 0 && size <= largestDisk(clusterSize, tableSize);
}

/** A cluster lies behind the header, on its grid, and whole in the file. */
export function isClusterOffset(header: QedHeader, offset: number, fileSize: number): boolean {
  const { clusterSize, headerSize } = header;
  const end = roundDown(fileSize, clusterSize);
  return offset % clusterSize === 0 && offset >= headerSize * clusterSize && offset < end;
}

export function isTableOffset(header: QedHeader, offset: number, fileSize: number): boolean {
  const last = offset + (header.tableSize - 1) * header.clusterSize;
  return isClusterOffset(header, offset, fileSize) && isClusterOffset(header, last, fileSize);
}

/** Throws `corrupt` for a name that lies outside the header. */
export async function readBacking(source: ByteSource, header: QedHeader): Promise<BackingReference | null> {
  const { features, backingNameOffset, backingNameSize } = header;
  if ((features & FEATURE.backingFile) === 0n) return null;
  if (backingNameOffset + backingNameSize > header.clusterSize * header.headerSize)
    throw corrupt('QED backing filename offset is invalid');
  if (backingNameSize > LIMITS.backingName) throw corrupt('Failed to read backing filename');
  const bytes = new Uint8Array(backingNameSize);
  await readPadded(source, backingNameOffset, bytes);
  const name = new TextDecoder().decode(bytes);
  return { name, format: (features & FEATURE.backingIsRaw) === 0n ? null : 'raw' };
}

/** Makes the disk longer. Throws `invalid` or `unsupported` for what the format cannot have or QEMU does not do. */
export async function enterSize(
  store: ByteStore,
  header: QedHeader,
  size: number,
  preallocation: GrowthPreallocation,
): Promise<void> {
  if (preallocation !== 'off') throw new ImageError('unsupported', `Unsupported preallocation mode '${preallocation}'`);
  if (!isDiskSize(size, header.clusterSize, header.tableSize))
    throw new ImageError('invalid', 'Invalid image size specified');
  if (size < header.imageSize) throw new ImageError('unsupported', 'Shrinking images is currently not supported');
  header.imageSize = size;
  await writeHeader(store, header);
}

/** Writes the fields alone: what follows them stays. */
export async function writeHeader(store: ByteStore, header: QedHeader): Promise<void> {
  const bytes = new Uint8Array(HEADER.size);
  HEADER.write(bytes, header);
  await store.write(0, bytes);
}

/** Changes the backing file's name, which stands behind the fields. Throws `no-space` if it does not fit there. */
export async function writeBacking(
  store: ByteStore,
  header: QedHeader,
  reference: BackingReference | null,
): Promise<void> {
  const name = new TextEncoder().encode(reference?.name ?? '');
  if (HEADER.size + name.length > header.headerSize * header.clusterSize)
    throw new ImageError('no-space', 'No space left on device');
  // Features that nobody here knows may have put something else there.
  if (reference !== null && header.compatFeatures !== 0n)
    throw new ImageError('unsupported', 'Operation not supported');
  let features = header.features & ~(FEATURE.backingFile | FEATURE.backingIsRaw);
  if (reference !== null) features |= FEATURE.backingFile;
  if (reference?.format === 'raw') features |= FEATURE.backingIsRaw;
  Object.assign(header, { features, backingNameOffset: HEADER.size, backingNameSize: name.length });
  const bytes = new Uint8Array(HEADER.size + name.length);
  HEADER.write(bytes, header);
  bytes.set(name, HEADER.size);
  await store.write(0, bytes);
}
