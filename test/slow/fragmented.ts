/** Huge images whose metadata does not merge, made in a second: they are sparse files. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { noExtensions } from '../../src/formats/qcow2/extensions.js';
import { type QcowHeader, serializeHeader } from '../../src/formats/qcow2/header.js';
import { COPIED_HIGH, highOf, lowOf, ZERO_LOW } from '../../src/formats/qcow2/layout.js';
import { Random } from '../support/random.js';

const CLUSTER = 64 * 1024;
const ENTRIES = CLUSTER / 8;
export const TIB = 2 ** 40;

/** Cluster by cluster: header, refcount table, refcount block, L1 table, then the L2 tables, then data. */
const L2_TABLES = TIB / (ENTRIES * CLUSTER);
const FIRST_L2 = 4;
const FIRST_DATA = FIRST_L2 + L2_TABLES;
/** Data clusters; the gaps between them are of different lengths. */
const DATA = 4000;

/**
 * A disk of 1 TiB of 16.7 million clusters, every other one "reads as zeros", those between unallocated: no two
 * neighbours are alike. Among them 4000 data clusters, in an order of their own in the file. `qemu-img check` finds
 * nothing wrong.
 */
export function makeFragmentedQcow2(path: string): void {
  const header: QcowHeader = {
    version: 3,
    clusterBits: 16,
    size: TIB,
    cryptMethod: 0,
    l1Size: L2_TABLES,
    l1TableOffset: 3 * CLUSTER,
    refcountTableOffset: CLUSTER,
    refcountTableClusters: 1,
    snapshotCount: 0,
    snapshotsOffset: 0,
    incompatibleFeatures: 0n,
    compatibleFeatures: 0n,
    autoclearFeatures: 0n,
    refcountOrder: 4,
    compression: 'zlib',
    unknownFields: new Uint8Array(0),
    backingFile: null,
    extensions: noExtensions(),
  };
  const fd = openSync(path, 'w');
  const write = (cluster: number, bytes: Uint8Array) => writeSync(fd, bytes, 0, bytes.length, cluster * CLUSTER);
  write(0, serializeHeader(header));
  write(1, bigEndian([[0, 2 * CLUSTER]]));
  write(
    2,
    new Uint8Array(2 * (FIRST_DATA + DATA)).map((_, at) => at & 1),
  );
  write(3, bigEndian(Array.from({ length: L2_TABLES }, (_, i) => [COPIED_HIGH, (FIRST_L2 + i) * CLUSTER])));
  const places = scattered();
  for (let table = 0; table < L2_TABLES; table++) write(FIRST_L2 + table, l2Table(table, places));
  for (let index = 0; index < DATA; index++) write(FIRST_DATA + index, new Uint8Array(CLUSTER).fill(1 + (index % 255)));
  ftruncateSync(fd, (FIRST_DATA + DATA) * CLUSTER);
  closeSync(fd);
}

/** Data clusters of the file by the clusters of the disk. */
function scattered(): Map<number, number> {
  const random = new Random(9);
  const places = new Map<number, number>();
  while (places.size < DATA) {
    const cluster = random.below(L2_TABLES * ENTRIES);
    // A few come in pairs, so that there are also stretches.
    for (const guest of [cluster, cluster + random.below(2)])
      if (places.size < DATA && guest < L2_TABLES * ENTRIES && !places.has(guest)) places.set(guest, places.size);
  }
  return places;
}

function l2Table(table: number, places: ReadonlyMap<number, number>): Uint8Array {
  return bigEndian(
    Array.from({ length: ENTRIES }, (_, index) => {
      const place = places.get(table * ENTRIES + index);
      if (place !== undefined) return [COPIED_HIGH, (FIRST_DATA + place) * CLUSTER];
      return [0, index % 2 === 0 ? ZERO_LOW : 0];
    }),
  );
}

/** Table entries: flags of the high half, and offset with the flags of the low half. */
function bigEndian(entries: readonly (readonly [flags: number, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(8 * entries.length);
  const view = new DataView(bytes.buffer);
  for (const [index, [flags, value]] of entries.entries()) {
    view.setUint32(8 * index, flags | highOf(value));
    view.setUint32(8 * index + 4, lowOf(value));
  }
  return bytes;
}

/** A raw disk of 1 TiB with `count` stretches of 4 KiB of data, all apart from each other. */
export function makeScatteredRaw(path: string, count: number): void {
  const fd = openSync(path, 'w');
  const bytes = new Uint8Array(4096);
  const step = Math.floor(TIB / count / 4096) * 4096;
  for (let index = 0; index < count; index++) {
    bytes.fill(1 + (index % 255));
    writeSync(fd, bytes, 0, bytes.length, index * step);
  }
  ftruncateSync(fd, TIB);
  closeSync(fd);
}
