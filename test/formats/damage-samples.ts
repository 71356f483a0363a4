/** Sound images of each format, and where they can be damaged. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Field, viewOf } from '../../src/bytes.js';
import { HEADER as BOCHS } from '../../src/formats/bochs/open.js';
import { HEADER as CLOOP } from '../../src/formats/cloop/open.js';
import { CHUNK, CHUNK_SIZE, TABLE, TABLE_HEADER_SIZE, TRAILER } from '../../src/formats/dmg/layout.js';
import { findDriver } from '../../src/formats/index.js';
import { HEADER as PARALLELS } from '../../src/formats/parallels/layout.js';
import { HEADER as QCOW } from '../../src/formats/qcow/layout.js';
import { HEADER as QED } from '../../src/formats/qed/layout.js';
import { HEADER as VDI } from '../../src/formats/vdi/layout.js';
import { METADATA_TABLE, REGION_ENTRY, HEADER as VHDX } from '../../src/formats/vhdx/layout.js';
import { HEADER as VMDK } from '../../src/formats/vmdk/layout.js';
import { FOOTER as VPC_FOOTER, HEADER as VPC_HEADER } from '../../src/formats/vpc/layout.js';
import type { ImageDriver } from '../../src/image/driver.js';
import { HEADER as LUKS, SLOT, slotOffset } from '../../src/image/luks/layout.js';
import { bochsOf, cloopOf, PASSPHRASE, SECRET } from '../pairs/variants.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { buildDmg, TYPES, zlibChunk } from './dmg/build.js';
import { kernels, noise } from './qcow2/writing.js';

const KIB = 1024;
const MIB = KIB * KIB;
const SIZE = 4 * MIB;

/** A structure of numbered fields. */
interface Structure {
  little: boolean;
  fields: Record<string, Field>;
  /** Where it begins. */
  at(image: Uint8Array): number;
}

/** Bytes of a table entry, and where the entries that are damaged lie. */
interface Entries {
  little: boolean;
  size: 4 | 8;
  at: number[];
}

export interface Sample {
  driver: ImageDriver;
  structures: Record<string, Structure>;
  entries(image: Uint8Array): Entries;
  /** Makes `file`, which ends like the format. */
  make(file: string): void;
  /** Makes checksums right again. */
  seal?(image: Uint8Array): void;
  /** A value that is allowed where it counts work, but is more of it than a test should do. */
  isTooSlow?(value: bigint): boolean;
  /** What opening it takes besides the file. */
  runtimeOptions?: { [name: string]: string };
}

const start = () => 0;
const read64 = (image: Uint8Array, at: number, little: boolean) => Number(viewOf(image).getBigUint64(at, little));

/** The first entries of the L1 table at `l1`, and of the L2 table that the first one leads to. */
function twoLevels(image: Uint8Array, l1: number, little: boolean): Entries {
  const l2 = read64(image, l1, little);
  return { little, size: 8, at: [l1, l1 + 8, l2, l2 + 8] };
}

/** By qemu-img: ones, twos, and one sector of threes. */
function qemuMakes(format: string, ...options: string[]): (file: string) => void {
  return (file) => {
    qemuImg('create', '-q', '-f', format, ...options.flatMap((option) => ['-o', option]), file, String(SIZE));
    qemuIo(file, format, 'write -P 1 0 1M', 'write -P 2 1M 1M', 'write -P 3 3M 512');
  };
}

/** The same as it is made here. */
function disk(): Buffer {
  return Buffer.alloc(SIZE)
    .fill(1, 0, MIB)
    .fill(2, MIB, 2 * MIB)
    .fill(3, 3 * MIB, 3 * MIB + 512);
}

function headed(name: string, fields: Record<string, Field>, little = true): Pick<Sample, 'driver' | 'structures'> {
  return { driver: findDriver(name)!, structures: { header: { little, fields, at: start } } };
}

/** The sum of all bytes but its own four, inverted. */
function sealVhd(image: Uint8Array, at: number, length: number, checksumAt: number): void {
  const view = viewOf(image);
  view.setUint32(at + checksumAt, 0);
  let sum = 0;
  for (const byte of image.subarray(at, at + length)) sum += byte;
  view.setUint32(at + checksumAt, ~sum >>> 0);
}

function sealVhdx(image: Uint8Array, at: number, length: number): void {
  const view = viewOf(image);
  view.setUint32(at + 4, 0, true);
  view.setUint32(at + 4, kernels.crc32c(image.subarray(at, at + length)), true);
}

const VHDX_REGIONS = 192 * KIB;
const vhdxRegion = (image: Uint8Array, index: number) =>
  read64(image, VHDX_REGIONS + 16 + index * REGION_ENTRY.size + 16, true);

/** In the order in which qemu-img writes them. */
const VHDX_ITEMS = {
  blockSize: [0, 'u32'],
  flags: [4, 'u32'],
  size: [8, 'u64'],
  logicalSector: [32, 'u32'],
  physicalSector: [36, 'u32'],
} as const satisfies Record<string, Field>;

const DMG_TABLE = 256 + 4;

export const SAMPLES: Sample[] = [
  {
    ...headed('qcow', QCOW.fields, false),
    entries: (image) => twoLevels(image, read64(image, 40, false), false),
    make: qemuMakes('qcow'),
  },
  {
    ...headed('qed', QED.fields),
    entries: (image) => twoLevels(image, read64(image, 40, true), true),
    make: qemuMakes('qed'),
  },
  {
    ...headed('vdi', VDI.fields),
    entries: () => ({ little: true, size: 4, at: [512, 516] }),
    make: qemuMakes('vdi'),
  },
  {
    ...headed('parallels', PARALLELS.fields),
    entries: () => ({ little: true, size: 4, at: [64, 68] }),
    make: qemuMakes('parallels'),
  },
  {
    driver: findDriver('vpc')!,
    structures: {
      footer: { little: false, fields: VPC_FOOTER.fields, at: start },
      header: { little: false, fields: VPC_HEADER.fields, at: () => 512 },
    },
    entries: () => ({ little: false, size: 4, at: [1536, 1540] }),
    make: qemuMakes('vpc', 'force_size=on'),
    seal: (image) => {
      sealVhd(image, 0, 512, 64);
      sealVhd(image, 512, 1024, 36);
    },
  },
  {
    driver: findDriver('vhdx')!,
    structures: {
      header: { little: true, fields: VHDX.fields, at: () => 64 * KIB },
      'first region': { little: true, fields: REGION_ENTRY.fields, at: () => VHDX_REGIONS + 16 },
      'second region': { little: true, fields: REGION_ENTRY.fields, at: () => VHDX_REGIONS + 16 + REGION_ENTRY.size },
      metadata: { little: true, fields: METADATA_TABLE.fields, at: (image) => vhdxRegion(image, 1) },
      items: { little: true, fields: VHDX_ITEMS, at: (image) => vhdxRegion(image, 1) + 64 * KIB },
    },
    entries: (image) => ({ little: true, size: 8, at: [vhdxRegion(image, 0), vhdxRegion(image, 0) + 8] }),
    make: qemuMakes('vhdx', 'block_size=1M'),
    // both headers and region tables alike: what is wrong cannot be made up for by the other one
    seal: (image) => {
      image.copyWithin(128 * KIB, 64 * KIB, 68 * KIB);
      image.copyWithin(256 * KIB, VHDX_REGIONS, 256 * KIB);
      for (const at of [64 * KIB, 128 * KIB]) sealVhdx(image, at, 4 * KIB);
      for (const at of [VHDX_REGIONS, 256 * KIB]) sealVhdx(image, at, 64 * KIB);
    },
  },
  {
    ...headed('vmdk', VMDK.fields),
    entries: (image) => {
      const directory = read64(image, 56, true) * 512;
      const table = viewOf(image).getUint32(directory, true) * 512;
      return { little: true, size: 4, at: [directory, table, table + 4] };
    },
    make: qemuMakes('vmdk'),
  },
  {
    driver: findDriver('luks')!,
    structures: {
      header: { little: false, fields: LUKS.fields, at: start },
      slot: { little: false, fields: SLOT.fields, at: () => slotOffset(0) },
    },
    entries: () => ({ little: false, size: 4, at: [] }),
    make: (file) => {
      const raw = `${file}.raw`;
      writeFileSync(raw, disk());
      qemuImg('convert', ...SECRET, '-f', 'raw', '-O', 'luks', '-o', 'key-secret=sec0,iter-time=10', raw, file);
    },
    runtimeOptions: { 'key-secret': 'sec0' },
    isTooSlow: (value) => value > 2n ** 16n && value < 2n ** 31n,
  },
  {
    ...headed('bochs', { ...BOCHS.fields, diskSize: [88, 'u64'] }),
    entries: () => ({ little: true, size: 4, at: [512, 516] }),
    make: (file) => writeFileSync(file, bochsOf(disk())),
  },
  {
    ...headed('cloop', CLOOP.fields, false),
    entries: () => ({ little: false, size: 8, at: [136, 144, 152] }),
    make: (file) => writeFileSync(file, cloopOf(disk())),
  },
  {
    driver: findDriver('dmg')!,
    structures: {
      trailer: { little: false, fields: TRAILER.fields, at: (image) => image.length - 512 },
      table: { little: false, fields: TABLE.fields, at: dmgTable },
      chunk: { little: false, fields: CHUNK.fields, at: (image) => dmgTable(image) + TABLE_HEADER_SIZE },
      'second chunk': {
        little: false,
        fields: CHUNK.fields,
        at: (image) => dmgTable(image) + TABLE_HEADER_SIZE + CHUNK_SIZE,
      },
    },
    entries: (image) => ({ little: false, size: 4, at: [dmgTable(image) - 4] }),
    make: (file) => {
      const chunks = [
        zlibChunk(noise(MIB, 1)),
        { type: TYPES.raw, sectors: 2048, stored: noise(MIB, 2) },
        { type: TYPES.zero, sectors: 4096 },
      ];
      writeFileSync(file, buildDmg({ chunks, fork: true }).image);
    },
  },
];

function dmgTable(image: Uint8Array): number {
  return read64(image, image.length - 512 + 40, false) + DMG_TABLE;
}

/** The sample as bytes. */
export function soundImage({ make, seal }: Sample, file: string): Buffer {
  make(file);
  const image = readFileSync(file);
  seal?.(image);
  return image;
}

/** What the samples' options name. */
export const SECRETS = { sec0: PASSPHRASE };
