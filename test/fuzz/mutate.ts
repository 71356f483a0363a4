/** Mutations: what a hostile or a broken hand does to an image. */
import { HEADER_V2 } from '../../src/formats/qcow2/layout.js';
import type { Random } from '../support/random.js';
import type { Anatomy, Site } from './anatomy.js';
import type { PagedFile } from './paged-store.js';
import type { Seed } from './seeds.js';
import { BAIT, ODD_NAMES } from './world.js';

const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!;
}

/** Changes `files`, which are the mutant's own. Returns what it did, for the report. */
export function mutate(random: Random, seed: Seed, files: Map<string, PagedFile>): string[] {
  const done: string[] = [];
  const count = 1 + random.below(4);
  for (let turn = 0; turn < count; turn++) {
    const name = random.below(8) === 0 ? pick(random, [...files.keys()]) : seed.main;
    const file = files.get(name)!;
    done.push(`${name}: ${mutateOnce(random, seed, name, file)}`);
  }
  return done;
}

function mutateOnce(random: Random, seed: Seed, name: string, file: PagedFile): string {
  const anatomy = seed.anatomies.get(name);
  const dice = random.below(100);
  if (dice < 4) return truncate(random, file, anatomy);
  if (dice < 8) return splice(random, file);
  if (dice < 14) return flipBits(random, file);
  if (anatomy === undefined) return flipBits(random, file);
  if (dice < 22) return rename(random, seed, file);
  return setField(random, file, anatomy);
}

function setField(random: Random, file: PagedFile, anatomy: Anatomy): string {
  const organ = pick(random, [...anatomy.sites.keys()]);
  const sites = anatomy.sites.get(organ)!;
  if (sites.length === 0) return 'nothing';
  const site = pick(random, sites);
  const bytes = new Uint8Array(site.width);
  if (site.at + site.width > file.size) return 'nothing';
  file.read(site.at, bytes);
  const value = changed(random, site, bytes, file.size, anatomy);
  file.write(site.at, bytes);
  return `${organ} at ${site.at}: ${value}`;
}

/** Puts another value into `bytes`. */
function changed(random: Random, site: Site, bytes: Uint8Array, fileSize: number, anatomy: Anatomy): string {
  const { width } = site;
  if (![1, 2, 4, 8].includes(width)) {
    bytes[random.below(Math.max(1, width))] = random.below(256);
    return 'a byte';
  }
  let before = 0n;
  for (const byte of bytes) before = before * 256n + BigInt(byte);
  const value = BigInt.asUintN(8 * width, newValue(random, site, before, fileSize, anatomy));
  for (let i = 0; i < width; i++) bytes[i] = Number((value >> BigInt(8 * (width - 1 - i))) & 255n);
  return `0x${before.toString(16)} -> 0x${value.toString(16)}`;
}

function newValue(random: Random, site: Site, before: bigint, fileSize: number, anatomy: Anatomy): bigint {
  const bits = BigInt(8 * site.width);
  const max = (1n << bits) - 1n;
  switch (random.below(10)) {
    case 0:
      return pick(random, [0n, 1n, 2n, 3n, 7n, 8n, 9n, 21n, 22n, 31n, 63n, 64n, 104n, 112n, 511n, 512n, 513n]);
    case 1:
      return pick(random, [max, max - 1n, max >> 1n, (max >> 1n) + 1n, max >> 8n]);
    case 2:
      return before + pick(random, [1n, -1n, 8n, 511n, 512n, -512n, BigInt(anatomy.clusterSize)]);
    case 3:
      return before ^ (1n << BigInt(random.below(Number(bits))));
    case 4:
      return (before << BigInt(1 + random.below(16))) | BigInt(random.below(2));
    case 5:
      return BigInt(random.next()) * BigInt(random.next());
    default:
      return pointer(random, site, before, fileSize, anatomy);
  }
}

/** An offset that is known to mean something, or just not to; with the flags of table entries. */
function pointer(random: Random, site: Site, before: bigint, fileSize: number, anatomy: Anatomy): bigint {
  const { clusterSize, landmarks } = anatomy;
  const end = Math.ceil(fileSize / clusterSize) * clusterSize;
  const target = pick(random, [
    pick(random, landmarks),
    pick(random, landmarks),
    pick(random, landmarks),
    site.at - (site.at % clusterSize),
    fileSize,
    end,
    end - clusterSize,
    Math.max(0, fileSize - 512),
    end + clusterSize * random.below(1000),
    2 ** 53 - clusterSize,
    2 ** 55,
  ]);
  const skew = pick(random, [0n, 0n, 0n, 0n, 1n, 256n, 512n, BigInt(clusterSize) / 2n]);
  const flags = pick(random, [
    0n,
    COPIED,
    COPIED,
    COMPRESSED,
    COMPRESSED,
    1n,
    COPIED | 1n,
    before & ~0xffffffffffffffn,
  ]);
  const length = flags === COMPRESSED ? BigInt(random.below(1 << 14)) << 48n : 0n;
  return (BigInt(target) + skew) | flags | length;
}

/** Gives the image another backing file name, or puts another name where any name is. */
function rename(random: Random, seed: Seed, file: PagedFile): string {
  const chosen = random.below(3) === 0 ? pick(random, ODD_NAMES) : pick(random, BAIT);
  const other = [...seed.files.keys()].find((each) => each !== seed.main) ?? seed.main;
  const name = new TextEncoder().encode(chosen.replaceAll('MAIN', seed.main).replaceAll('OTHER', other));
  const head = new Uint8Array(4096);
  if (file.size < head.length) return 'nothing';
  file.read(0, head);
  const { backingFileOffset, backingFileSize } = HEADER_V2.read(head);
  const clusterSize = seed.anatomies.get(seed.main)!.clusterSize;
  const hasName = backingFileOffset > 0n && Number(backingFileOffset) + name.length <= clusterSize;
  const at = hasName ? Number(backingFileOffset) : Math.max(0, Math.min(clusterSize, 4096) - name.length - 8);
  file.write(at, name);
  HEADER_V2.write(head, { backingFileOffset: BigInt(at), backingFileSize: name.length });
  if (random.below(10) > 0) file.write(0, head.subarray(0, HEADER_V2.size));
  return `backing file at ${at} (was ${backingFileSize} bytes): ${chosen.slice(0, 40)}`;
}

function truncate(random: Random, file: PagedFile, anatomy: Anatomy | undefined): string {
  const size = pick(random, [
    random.below(file.size + 1),
    random.below(200),
    (anatomy === undefined ? 0 : pick(random, anatomy.landmarks)) + random.below(9),
    file.size + random.below(100_000),
    Math.max(0, file.size - 1),
  ]);
  file.truncate(size);
  return `length ${size}`;
}

function splice(random: Random, file: PagedFile): string {
  const length = 1 + random.below(4096);
  if (file.size <= length) return 'nothing';
  const from = random.below(file.size - length);
  const to = random.below(file.size - length);
  const bytes = new Uint8Array(length);
  file.read(from, bytes);
  file.write(to, bytes);
  return `${length} bytes from ${from} to ${to}`;
}

function flipBits(random: Random, file: PagedFile): string {
  if (file.size === 0) return 'nothing';
  const byte = new Uint8Array(1);
  // Metadata is at the beginning more often than not.
  const range = random.below(2) === 0 ? Math.min(file.size, 8192) : file.size;
  const count = 1 + random.below(8);
  for (let turn = 0; turn < count; turn++) {
    const at = random.below(range);
    file.read(at, byte);
    byte[0]! ^= 1 << random.below(8);
    file.write(at, byte);
  }
  return `${count} bits`;
}
