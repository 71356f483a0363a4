/** What `info` tells of a qcow2 image beyond what every image has; keys in `qemu-img`'s order. */
import type { ImageDetails, Json } from '../../image/image.js';
import type { Bitmap } from './bitmaps.js';
import { clusterSizeOf, hasDataFile, hasExtendedL2, type QcowHeader } from './header.js';
import { AUTOCLEAR, COMPATIBLE, CRYPT, INCOMPATIBLE } from './layout.js';

/** @param encryption the `encrypt` object; null if the image is not encrypted */
export function describeImage(
  header: QcowHeader,
  bitmaps: readonly Bitmap[],
  encryption: { [key: string]: Json } | null,
): ImageDetails {
  const encrypt: { [key: string]: Json } = encryption === null ? {} : { encrypt: encryption };
  const data: { [key: string]: Json } =
    header.version === 2
      ? { compat: '0.10', 'compression-type': header.compression, 'refcount-bits': 16, ...encrypt }
      : {
          compat: '1.1',
          'compression-type': header.compression,
          'lazy-refcounts': (header.compatibleFeatures & COMPATIBLE.lazyRefcounts) !== 0n,
          ...(bitmaps.length === 0 ? {} : { bitmaps: bitmaps.map(describeBitmap) }),
          'refcount-bits': 2 ** header.refcountOrder,
          ...describeDataFile(header),
          ...encrypt,
          corrupt: (header.incompatibleFeatures & INCOMPATIBLE.corrupt) !== 0n,
          'extended-l2': hasExtendedL2(header),
        };
  return {
    clusterSize: clusterSizeOf(header),
    ...(header.cryptMethod === CRYPT.none ? {} : { encrypted: true }),
    dirty: (header.incompatibleFeatures & INCOMPATIBLE.dirty) !== 0n,
    formatSpecific: { type: 'qcow2', data },
  };
}

function describeBitmap({ name, granularity, inUse, auto }: Bitmap): Json {
  const flags = [...(inUse ? ['in-use'] : []), ...(auto ? ['auto'] : [])];
  return { flags, name, granularity };
}

function describeDataFile(header: QcowHeader): { [key: string]: Json } {
  const name = header.extensions.dataFile;
  const isRaw = (header.autoclearFeatures & AUTOCLEAR.rawData) !== 0n;
  return {
    ...(name === null ? {} : { 'data-file': name }),
    ...(hasDataFile(header) ? { 'data-file-raw': isRaw } : {}),
  };
}
