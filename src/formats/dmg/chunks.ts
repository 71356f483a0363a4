/** The tables of chunks as one list, in the order of the disk. */
import { viewOf } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { CHUNK, CHUNK_SIZE, LIMITS, SECTOR, TABLE, TABLE_HEADER_SIZE, TABLE_MAGIC, TYPE } from './layout.js';

export interface Chunk {
  readonly type: number;
  /** Bytes of the disk [start, end). */
  readonly start: number;
  readonly end: number;
  /** Byte of the file at which it begins, and bytes that it takes there. */
  readonly host: number;
  readonly length: number;
}

/** Smallest table that is looked at: one chunk. */
const SMALLEST_TABLE = TABLE_HEADER_SIZE + CHUNK_SIZE;

/** Throws `corrupt` for chunks that are too large, or that overlap on the disk. */
export function chunksOf(resources: readonly Uint8Array[], dataForkOffset: number): Chunk[] {
  const chunks = resources.filter(isTable).flatMap((table) => chunksOfTable(table, dataForkOffset));
  chunks.sort((a, b) => a.start - b.start);
  for (let index = 1; index < chunks.length; index++) {
    const { start } = chunks[index]!;
    if (start < chunks[index - 1]!.end) throw corrupt(`Two chunks of the UDIF image hold the disk's byte ${start}`);
  }
  return chunks;
}

/** Its content is zeros. */
export function isZero({ type }: Chunk): boolean {
  return type === TYPE.zero || type === TYPE.ignore;
}

function isTable(resource: Uint8Array): boolean {
  return resource.length >= SMALLEST_TABLE && viewOf(resource).getUint32(0) === TABLE_MAGIC;
}

function chunksOfTable(bytes: Uint8Array, dataForkOffset: number): Chunk[] {
  const { firstSector, dataOffset } = TABLE.read(bytes);
  const base = dataForkOffset + dataOffset;
  const chunks: Chunk[] = [];
  for (let at = TABLE_HEADER_SIZE; at + CHUNK_SIZE <= bytes.length; at += CHUNK_SIZE) {
    const { type, sectors, offset, length, ...entry } = CHUNK.read(bytes, at);
    if (type === TYPE.comment || type === TYPE.end || sectors === 0) continue;
    const start = (firstSector + entry.firstSector) * SECTOR;
    const chunk = { type, start, end: start + sectors * SECTOR, host: base + offset, length };
    if (![chunk.end, chunk.host + length].every(Number.isSafeInteger))
      throw corrupt('A chunk of the UDIF image is too far away');
    if (!isZero(chunk)) checkSize(chunk);
    chunks.push(chunk);
  }
  return chunks;
}

function checkSize({ start, end, length }: Chunk): void {
  if (end - start > LIMITS.chunk)
    throw corrupt(`sector count ${(end - start) / SECTOR} is larger than max (${LIMITS.chunk / SECTOR})`);
  if (length > LIMITS.chunk) throw corrupt(`chunk length ${length} is larger than max (${LIMITS.chunk})`);
}
