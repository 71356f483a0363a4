/** Makes UDIF images, field by field: nothing on this side of a Mac does. */
import { deflateSync } from 'node:zlib';

export interface ChunkSpec {
  type: number;
  /** Sectors of the disk. */
  sectors: number;
  /** As it is stored; absent: nothing. */
  stored?: Uint8Array;
  /** Overrides what follows from the order. */
  firstSector?: number;
  length?: number;
}

export interface ImageSpec {
  chunks: readonly ChunkSpec[];
  /** Resource fork instead of property list. */
  fork?: boolean;
  /** Bytes behind the trailer. */
  appended?: number;
}

export const TYPES = {
  zero: 0,
  raw: 1,
  ignore: 2,
  adc: 0x80000004,
  zlib: 0x80000005,
  bzip2: 0x80000006,
  lzfse: 0x80000007,
  lzma: 0x80000008,
} as const;

/** A chunk of compressed bytes. */
export function zlibChunk(content: Uint8Array): ChunkSpec {
  return { type: TYPES.zlib, sectors: content.length / 512, stored: deflateSync(content) };
}

/** Where the parts of the image that `buildDmg` makes begin; bytes. */
export interface BuiltDmg {
  image: Buffer;
  trailer: number;
  resources: number;
}

export function buildDmg({ chunks, fork = false, appended = 0 }: ImageSpec): BuiltDmg {
  const data = Buffer.concat(chunks.map(({ stored = new Uint8Array(0) }) => stored));
  const table = tableOf(chunks);
  const resources = fork ? forkOf(table) : listOf(table);
  const sectors = chunks.reduce((sum, chunk) => sum + chunk.sectors, 0);
  const trailer = Buffer.alloc(512);
  trailer.write('koly');
  trailer.writeUInt32BE(4, 4);
  trailer.writeUInt32BE(512, 8);
  trailer.writeBigUInt64BE(BigInt(data.length), fork ? 40 : 216);
  trailer.writeBigUInt64BE(BigInt(resources.length), fork ? 48 : 224);
  trailer.writeBigUInt64BE(BigInt(sectors), 492);
  const image = Buffer.concat([data, resources, trailer, Buffer.alloc(appended)]);
  return { image, trailer: data.length + resources.length, resources: data.length };
}

function tableOf(chunks: readonly ChunkSpec[]): Buffer {
  const table = Buffer.alloc(204 + 40 * (chunks.length + 1));
  table.write('mish');
  table.writeUInt32BE(1, 4);
  table.writeBigUInt64BE(BigInt(chunks.reduce((sum, chunk) => sum + chunk.sectors, 0)), 16);
  table.writeUInt32BE(chunks.length + 1, 200);
  let sector = 0;
  let offset = 0;
  for (const [index, { type, sectors, stored, firstSector = sector, length }] of chunks.entries()) {
    const at = 204 + 40 * index;
    const size = length ?? stored?.length ?? 0;
    table.writeUInt32BE(type, at);
    table.writeBigUInt64BE(BigInt(firstSector), at + 8);
    table.writeBigUInt64BE(BigInt(sectors), at + 16);
    table.writeBigUInt64BE(BigInt(offset), at + 24);
    table.writeBigUInt64BE(BigInt(size), at + 32);
    sector += sectors;
    offset += stored?.length ?? 0;
  }
  table.writeUInt32BE(0xffffffff, 204 + 40 * chunks.length);
  return table;
}

function listOf(table: Buffer): Buffer {
  const data = table.toString('base64').replace(/.{76}/g, '$&\n\t\t\t');
  return Buffer.from(
    `<plist version="1.0"><dict><key>resource-fork</key><dict><key>blkx</key><array><dict>
      <key>Data</key><data>\n\t\t\t${data}\n</data></dict></array></dict></dict></plist>`,
  );
}

function forkOf(table: Buffer): Buffer {
  const header = Buffer.alloc(260);
  header.writeUInt32BE(256, 0);
  header.writeUInt32BE(table.length + 4, 8);
  header.writeUInt32BE(table.length, 256);
  return Buffer.concat([header, table]);
}
