/** The size of an image that is to be made, as QEMU reckons it: all metadata, also that of clusters without content. */

import { ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import { encryptionUnavailable, passphraseOf } from '../../image/encryption.js';
import type { BitmapInfo } from '../../image/image.js';
import { payloadOffsetOf } from '../../image/luks/create.js';
import { luksOptions } from '../../image/luks/options.js';
import { dataInClusters, type Measurement, type MeasureRequest } from '../../image/measure.js';
import type { OptionValues } from '../../image/options.js';
import { BITMAP_ENTRY, ENTRY_SIZE, EXTENDED_L2_ENTRY_SIZE, LIMITS } from './layout.js';
import { checkClusterSize, checkRefcountBits, DEFAULT_CLUSTER_SIZE, DEFAULT_REFCOUNT_BITS } from './options.js';

/** What the size depends on. */
interface Shape {
  version: 2 | 3;
  clusterSize: number;
  refcountBits: number;
  l2EntrySize: number;
}

/** Throws `invalid`; options that do not matter here are not looked at. */
export async function measureQcow2(
  { size, options, source }: MeasureRequest,
  context: DriverContext,
): Promise<Measurement> {
  const shape = shapeOf(options);
  const { clusterSize } = shape;
  const isAllocated = preallocates(options.preallocation);
  const container = options['encrypt.format'] === 'luks' ? luksClusters(options, shape, context) : 0;
  checkL1(source === null ? size : 0n, shape);
  const clusters = Number((size + BigInt(clusterSize - 1)) / BigInt(clusterSize));
  const bytes = (count: number) => BigInt(count) * BigInt(clusterSize);
  const fullyAllocated = bytes(clusters + metadataClusters(clusters, shape) + container);
  let data = 0n;
  if (isAllocated || (source !== null && options.backing_file !== undefined)) data = bytes(clusters);
  else if (source !== null) data = BigInt(await dataInClusters(source.disk, clusterSize));
  const bitmaps = shape.version < 3 ? undefined : source?.bitmaps;
  return {
    required: fullyAllocated - bytes(clusters) + data,
    fullyAllocated,
    bitmaps: bitmaps === undefined ? null : bytes(bitmapClusters(bitmaps, source!.disk.size, clusterSize)),
  };
}

function shapeOf(options: OptionValues): Shape {
  const isExtended = options.extended_l2 === true;
  const clusterSize = Number(options.cluster_size ?? DEFAULT_CLUSTER_SIZE);
  checkClusterSize(clusterSize, isExtended);
  const version = versionOf(options.compat);
  const refcountBits = Number(options.refcount_bits ?? DEFAULT_REFCOUNT_BITS);
  checkRefcountBits(refcountBits, version, 'compat=1.1');
  return { version, clusterSize, refcountBits, l2EntrySize: isExtended ? EXTENDED_L2_ENTRY_SIZE : ENTRY_SIZE };
}

/** Of the spellings that `create` takes only the old ones are known here. */
function versionOf(compat: OptionValues[string] = '1.1'): 2 | 3 {
  if (compat === '0.10') return 2;
  if (compat === '1.1') return 3;
  throw new ImageError('invalid', `Invalid compatibility level: '${compat}'`);
}

/** Whether the clusters take space from the start. */
function preallocates(mode: OptionValues[string] = 'off'): boolean {
  if (mode === 'off' || mode === 'metadata') return false;
  if (mode === 'falloc' || mode === 'full') return true;
  throw new ImageError('invalid', `invalid parameter value: ${mode}`);
}

function luksClusters(options: OptionValues, { clusterSize }: Shape, { encryption }: DriverContext): number {
  if (encryption === undefined) throw encryptionUnavailable();
  const { cipher } = luksOptions(encryption.crypto, options, 'encrypt.');
  passphraseOf(encryption, 'encrypt.key-secret', options['encrypt.key-secret']);
  return Math.ceil(payloadOffsetOf(cipher) / clusterSize);
}

function checkL1(size: bigint, { clusterSize, l2EntrySize }: Shape): void {
  const clusters = Number((size + BigInt(clusterSize - 1)) / BigInt(clusterSize));
  if (Math.ceil(clusters / (clusterSize / l2EntrySize)) * ENTRY_SIZE > LIMITS.l1Bytes)
    throw new ImageError('invalid', 'The image size is too large (try using a larger cluster size)');
}

/** Header, L1 and L2 tables, refcount table and blocks of an image with `clusters` clusters of data. */
function metadataClusters(clusters: number, { clusterSize, refcountBits, l2EntrySize }: Shape): number {
  const l2Tables = Math.ceil(clusters / (clusterSize / l2EntrySize));
  const l1Clusters = Math.ceil(l2Tables / (clusterSize / ENTRY_SIZE));
  const described = 1 + l1Clusters + l2Tables;
  return described + refcountClusters(clusters + described, clusterSize, refcountBits);
}

/** Clusters of a refcount table and its blocks that count `clusters` others and themselves. */
function refcountClusters(clusters: number, clusterSize: number, refcountBits: number): number {
  const perBlock = (clusterSize * 8) / refcountBits;
  let own = 0;
  for (let blocks = 0, before = -1; own !== before; ) {
    before = own;
    blocks = Math.ceil((clusters + own) / perBlock);
    own = blocks + Math.ceil(blocks / (clusterSize / ENTRY_SIZE));
  }
  return own;
}

/** Bits, tables and directory of bitmaps, as if each of them held something everywhere. */
function bitmapClusters(bitmaps: readonly BitmapInfo[], size: number, clusterSize: number): number {
  let clusters = 0;
  let directory = 0;
  for (const { name, granularity } of bitmaps) {
    const content = Math.ceil(Math.ceil(Math.ceil(size / granularity) / 8) / clusterSize);
    clusters += content + Math.ceil((content * ENTRY_SIZE) / clusterSize);
    directory += Math.ceil((BITMAP_ENTRY.size + new TextEncoder().encode(name).length) / 8) * 8;
  }
  return clusters + Math.ceil(directory / clusterSize);
}
