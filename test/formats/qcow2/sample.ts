/**
 * A small, sound image built by hand, to be damaged field by field.
 *
 * Version 3, 4 KiB clusters, a disk of 1 MiB. Cluster by cluster: 0 header, 1 refcount table, 2 refcount block, 3 L1
 * table, 4 L2 table, 5 data (guest cluster 0), 6 a compressed cluster (guest cluster 1), 7 snapshot table, 8 bitmap
 * directory, 9 bitmap table. Guest cluster 2 reads as zeros.
 */
import { deflateRawSync } from 'node:zlib';
import { viewOf } from '../../../src/bytes.js';
import { type QcowHeader, serializeHeader } from '../../../src/formats/qcow2/header.js';
import {
  BITMAP_ENTRY,
  COPIED_HIGH,
  compressedHighOf,
  LIMITS,
  lowOf,
  SNAPSHOT,
  SNAPSHOT_EXTRA,
  ZERO_LOW,
} from '../../../src/formats/qcow2/layout.js';

export const CLUSTER = 4096;
export const AT = {
  refcountTable: CLUSTER,
  refcountBlock: 2 * CLUSTER,
  l1: 3 * CLUSTER,
  l2: 4 * CLUSTER,
  data: 5 * CLUSTER,
  packed: 6 * CLUSTER,
  snapshots: 7 * CLUSTER,
  bitmapDirectory: 8 * CLUSTER,
  bitmapTable: 9 * CLUSTER,
  end: 10 * CLUSTER,
} as const;

export const DISK_SIZE = 1024 * 1024;

export function sampleHeader(): QcowHeader {
  return {
    version: 3,
    clusterBits: 12,
    size: DISK_SIZE,
    cryptMethod: 0,
    l1Size: 1,
    l1TableOffset: AT.l1,
    refcountTableOffset: AT.refcountTable,
    refcountTableClusters: 1,
    snapshotCount: 1,
    snapshotsOffset: AT.snapshots,
    incompatibleFeatures: 0n,
    compatibleFeatures: 0n,
    autoclearFeatures: 1n,
    refcountOrder: 4,
    compression: 'zlib',
    unknownFields: new Uint8Array(0),
    backingFile: null,
    extensions: {
      backingFormat: null,
      dataFile: null,
      encryption: null,
      bitmaps: { count: 1, directorySize: 32, directoryOffset: AT.bitmapDirectory },
      unknown: [],
    },
  };
}

export interface Sample {
  bytes: Uint8Array;
  view: DataView;
}

/** @param change alters the header before it is written */
export function sample(change: (header: QcowHeader) => void = () => {}): Sample {
  const header = sampleHeader();
  change(header);
  const bytes = new Uint8Array(AT.end);
  const view = viewOf(bytes);
  bytes.set(serializeHeader(header));
  view.setUint32(AT.refcountTable + 4, AT.refcountBlock);
  for (let cluster = 0; cluster < AT.end / CLUSTER; cluster++) view.setUint16(AT.refcountBlock + 2 * cluster, 1);
  setEntry(view, AT.l1, COPIED_HIGH, lowOf(AT.l2));
  setEntry(view, AT.l2, COPIED_HIGH, lowOf(AT.data));
  bytes.fill(0x11, AT.data, AT.data + CLUSTER);
  const stream = deflateRawSync(new Uint8Array(CLUSTER).fill(0x22), { windowBits: 12 });
  bytes.set(stream, AT.packed);
  setEntry(view, AT.l2 + 8, compressedHighOf(AT.packed, stream.length, header.clusterBits), lowOf(AT.packed));
  setEntry(view, AT.l2 + 16, 0, ZERO_LOW);
  writeSnapshot(bytes);
  writeBitmap(bytes);
  return { bytes, view };
}

export function setEntry(view: DataView, at: number, high: number, low: number): void {
  view.setUint32(at, high);
  view.setUint32(at + 4, low);
}

function writeSnapshot(bytes: Uint8Array): void {
  const extra = AT.snapshots + SNAPSHOT.size;
  SNAPSHOT.write(
    bytes,
    {
      l1TableOffset: BigInt(AT.l1),
      l1Size: 1,
      idLength: 1,
      nameLength: 4,
      seconds: 1_700_000_000,
      nanoseconds: 5,
      vmClock: 7n,
      vmStateSize32: 0,
      extraDataSize: SNAPSHOT_EXTRA.size,
    },
    AT.snapshots,
  );
  SNAPSHOT_EXTRA.write(bytes, { vmStateSize: 0n, diskSize: BigInt(DISK_SIZE / 2), icount: 9n }, extra);
  bytes.set(new TextEncoder().encode('1snap'), extra + SNAPSHOT_EXTRA.size);
}

function writeBitmap(bytes: Uint8Array): void {
  BITMAP_ENTRY.write(
    bytes,
    {
      tableOffset: BigInt(AT.bitmapTable),
      tableSize: 1,
      flags: 2,
      type: 1,
      granularityBits: LIMITS.minGranularityBits,
      nameLength: 4,
      extraDataSize: 0,
    },
    AT.bitmapDirectory,
  );
  bytes.set(new TextEncoder().encode('bits'), AT.bitmapDirectory + BITMAP_ENTRY.size);
  // One entry without a cluster and with bit 0: all of the bitmap is ones.
  bytes[AT.bitmapTable + 7] = 1;
}
