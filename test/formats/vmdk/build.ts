/** VMDK files field by field, for what no program here makes. */
import { deflateSync } from 'node:zlib';
import { vmdk } from '../../../src/formats/vmdk/index.js';
import type { DriverContext } from '../../../src/image/driver.js';
import type { Image } from '../../../src/image/image.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { kernels } from '../qcow2/writing.js';

export const SECTOR = 512;
export const GRAIN = 65536;

/** Bytes that are written piece by piece; whatever is between them is zeros. */
export class Bytes {
  #bytes = new Uint8Array(0);

  constructor(...pieces: [offset: number, bytes: Uint8Array | string][]) {
    for (const [offset, bytes] of pieces) this.put(offset, bytes);
  }

  put(offset: number, content: Uint8Array | string): this {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    this.grow(offset + bytes.length);
    this.#bytes.set(bytes, offset);
    return this;
  }

  u32(offset: number, ...values: number[]): this {
    for (const [index, value] of values.entries()) this.put(offset + index * 4, le(BigInt(value), 4));
    return this;
  }

  u64(offset: number, ...values: (number | bigint)[]): this {
    for (const [index, value] of values.entries()) this.put(offset + index * 8, le(BigInt(value), 8));
    return this;
  }

  grow(length: number): this {
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(length);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return this;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }
}

function le(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

/** A descriptor with these lines for extents. */
export function descriptor(createType: string, lines: readonly string[], more = ''): string {
  return [
    '# Disk DescriptorFile',
    'version=1',
    'CID=1234abcd',
    'parentCID=ffffffff',
    `createType="${createType}"`,
    ...(more === '' ? [] : [more]),
    '# Extent description',
    ...lines,
    '# The Disk Data Base',
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}

/** The files that a disk consists of, by name. */
export type Files = { [name: string]: Uint8Array | string };

/** Files in memory; `main` is opened by the tests. */
export class Disk {
  readonly stores = new Map<string, MemoryStore>();

  constructor(files: Files) {
    for (const [name, content] of Object.entries(files)) {
      const store = new MemoryStore(name);
      store.write(0, typeof content === 'string' ? new TextEncoder().encode(content) : content.slice());
      this.stores.set(name, store);
    }
  }

  readonly context: DriverContext = {
    kernels,
    openReference: async (name) => {
      const store = this.stores.get(name);
      if (store === undefined) throw new Error(`there is no file ${name}`);
      return store;
    },
  };

  get main(): MemoryStore {
    return this.stores.get('main.vmdk')!;
  }

  open(): Promise<Image> {
    return vmdk.open!(this.main, this.context);
  }
}

/** Opens such a disk. */
export function openFiles(files: Files): Promise<Image> {
  return new Disk(files).open();
}

/** All that a guest would read. */
export async function contentOf(image: Image): Promise<Uint8Array> {
  const bytes = new Uint8Array(image.size);
  await image.read(0, bytes);
  return bytes;
}

/** A hosted sparse file of three grains and a half: sevens, nothing, nines, and a last one of fives. */
export function hosted(version = 1, flags = 1): Bytes {
  return new Bytes([512, descriptor('monolithicSparse', ['RW 448 SPARSE "main.vmdk"'])])
    .put(0, 'KDMV')
    .u32(4, version, flags)
    .u64(12, 448, 128, 1, 20)
    .u32(44, 512)
    .u64(48, 0, 21, 128)
    .put(73, new Uint8Array([10, 32, 13, 10]))
    .u32(21 * SECTOR, 22)
    .u32(22 * SECTOR, 128, 0, 256, 384)
    .put(128 * SECTOR, new Uint8Array(GRAIN).fill(7))
    .put(256 * SECTOR, new Uint8Array(GRAIN).fill(9))
    .put(384 * SECTOR, new Uint8Array(GRAIN / 2).fill(5));
}

/** The disk in `hosted`. */
export function hostedContent(): Uint8Array {
  return new Uint8Array(3.5 * GRAIN)
    .fill(7, 0, GRAIN)
    .fill(9, 2 * GRAIN, 3 * GRAIN)
    .fill(5, 3 * GRAIN);
}

/** The same disk as a stream: the directory at the end, markers, a footer. `wholeTail`: the last grain is a whole one. */
export function stream(wholeTail = true): Bytes {
  const image = hosted(3, 0x30001).bytes.slice(0, 128 * SECTOR);
  const file = new Bytes([0, image]).u64(56, 0xffff_ffff_ffff_ffffn).u32(77, 1);
  file.put(79, new Uint8Array(512 - 79)).put(21 * SECTOR, new Uint8Array(107 * SECTOR));
  const entries = [0, 0, 0, 0];
  let at = 128;
  for (const [index, value] of [7, 0, 9, 5].entries()) {
    if (value === 0) continue;
    const content = new Uint8Array(GRAIN).fill(value, 0, index === 3 ? GRAIN / 2 : GRAIN);
    const packed = deflateSync(index === 3 && !wholeTail ? content.subarray(0, GRAIN / 2) : content);
    file
      .u64(at * SECTOR, index * 128)
      .u32(at * SECTOR + 8, packed.length)
      .put(at * SECTOR + 12, packed);
    entries[index] = at;
    at += Math.ceil((packed.length + 12) / SECTOR);
  }
  file
    .u64(at * SECTOR, 4)
    .u32(at * SECTOR + 12, 1)
    .u32((at + 1) * SECTOR, ...entries);
  const table = at + 1;
  at += 5;
  file
    .u64(at * SECTOR, 1)
    .u32(at * SECTOR + 12, 2)
    .u32((at + 1) * SECTOR, table);
  const directory = at + 1;
  at += 2;
  file.u64(at * SECTOR, 1).u32(at * SECTOR + 12, 3);
  file.put((at + 1) * SECTOR, file.bytes.slice(0, SECTOR)).u64((at + 1) * SECTOR + 56, directory);
  return file.grow((at + 3) * SECTOR);
}

/** A COWD file of 2100 sectors in grains of one: the first is of ones, the last of twos. */
export function cowd(): Bytes {
  return new Bytes([0, 'COWD'])
    .u32(4, 1, 3, 2100, 1, 4, 1)
    .u32(4 * SECTOR, 5)
    .u32(5 * SECTOR, 37)
    .u32(5 * SECTOR + 2099 * 4, 38)
    .put(37 * SECTOR, new Uint8Array(SECTOR).fill(1))
    .put(38 * SECTOR, new Uint8Array(SECTOR).fill(2));
}

/** An seSparse file of 64 sectors: grains of ones, of none, of zeros, unmapped, and of twos. */
export function seSparse(): Bytes {
  const [volatile, directory, tables, grains] = [1, 2, 3, 67];
  return new Bytes()
    .u64(0, 0xcafebaben, 0x2_0000_0001n, 64, 8, 64)
    .u64(80, volatile, 1)
    .u64(128, directory, 1, tables, 64)
    .u64(192, grains, 16)
    .u64(volatile * SECTOR, 0xcafecafen)
    .u64(directory * SECTOR, 0x1000_0000_0000_0000n)
    .u64(
      tables * SECTOR,
      0x3000_0000_0000_0000n,
      0,
      0x2000_0000_0000_0000n,
      0x1000_0000_0000_0000n,
      0x3001_0000_0000_0000n,
    )
    .put(grains * SECTOR, new Uint8Array(4096).fill(1))
    .put((grains + 8) * SECTOR, new Uint8Array(4096).fill(2));
}
