/** From version 3 to version 2: whatever version 2 does not know has to go first. */
import { ImageError } from '../../../errors.js';
import { hasDataFile, type QcowHeader } from '../header.js';
import { INCOMPATIBLE } from '../layout.js';
import type { MetadataFile } from '../metadata-file.js';
import { expandZeros, expansionFailed } from './expand-zeros.js';

/** The width of all refcounts in version 2: 2^4 bits. */
const REFCOUNT_ORDER = 4;

/** Throws `unsupported` for a feature that cannot be removed. */
export async function downgrade(file: MetadataFile, tell: (done: number, work: number) => void): Promise<void> {
  const { header } = file;
  checkFeatures(file);
  const hasCompressed = await expandZeros(file, tell).catch((error) => {
    throw expansionFailed(error);
  });
  if (hasCompressed && header.compression !== 'zlib')
    throw unsupported('Cannot downgrade an image with zstd compression type and existing compressed clusters');
  Object.assign(header, {
    version: 2,
    compression: 'zlib',
    incompatibleFeatures: 0n,
    compatibleFeatures: 0n,
    autoclearFeatures: 0n,
    unknownFields: new Uint8Array(0),
  } satisfies Partial<QcowHeader>);
  await file.writeHeader();
}

function checkFeatures({ header, snapshots }: MetadataFile): void {
  if (header.refcountOrder !== REFCOUNT_ORDER) throw unsupported('compat=0.10 requires refcount_bits=16');
  if (hasDataFile(header)) throw unsupported('Cannot downgrade an image with a data file');
  for (const { vmStateSize, size } of snapshots)
    if (vmStateSize > 0xffff_ffff || size !== header.size)
      throw unsupported('Internal snapshots prevent downgrade of image');
  const features = header.incompatibleFeatures & ~(INCOMPATIBLE.compression | INCOMPATIBLE.dirty);
  if (features !== 0n)
    throw unsupported(`Cannot downgrade an image with incompatible features 0x${features.toString(16)} set`);
}

function unsupported(message: string): ImageError {
  return new ImageError('unsupported', message);
}
