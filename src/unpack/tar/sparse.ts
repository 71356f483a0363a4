/** Members with holes, as `tar -S` writes them: which stretches the archive has, in each of three notations. */
import { corrupt } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
import { readTarNumber, SPARSE, TAR_BLOCK, textOf } from './header.js';

/** Bytes [start, start + length) of a member lie at `host` of the archive. */
export interface Stretch {
  start: number;
  length: number;
  host: number;
}

/** A member's content: what no stretch holds is zeros. */
export interface SparseContent {
  size: number;
  stretches: Stretch[];
}

/** 16 MB of them in memory. */
const MOST_STRETCHES = 1_000_000;

/** The blocks behind the header that an old sparse member's map goes on in. Throws `corrupt`. */
export async function* furtherMaps(
  archive: ByteSource,
  header: Uint8Array,
  dataAt: number,
): AsyncGenerator<Uint8Array> {
  let goesOn = header[SPARSE.first.more] !== 0;
  for (let at = dataAt; goesOn; at += TAR_BLOCK) {
    if (at - dataAt > MOST_STRETCHES * SPARSE.numberSize) throw tooMany();
    const block = await readBlock(archive, at, archive.size);
    yield block;
    goesOn = block[SPARSE.further.more] !== 0;
  }
}

/** GNU tar's old notation: numbers in the header and in blocks behind it. Throws `corrupt`. */
export async function readOldSparse(
  archive: ByteSource,
  header: Uint8Array,
  dataAt: number,
  stored: number,
): Promise<SparseContent> {
  const numbers: number[] = [];
  const number = (block: Uint8Array, at: number) => readTarNumber(block.subarray(at, at + SPARSE.numberSize));
  const addFrom = (block: Uint8Array, { offset, count }: { offset: number; count: number }) => {
    const end = offset + 2 * count * SPARSE.numberSize;
    for (let at = offset; at < end && block[at] !== 0; at += SPARSE.numberSize) numbers.push(number(block, at));
  };
  addFrom(header, SPARSE.first);
  let at = dataAt;
  for await (const block of furtherMaps(archive, header, dataAt)) {
    addFrom(block, SPARSE.further);
    at += TAR_BLOCK;
  }
  return place(numbers, number(header, SPARSE.realSize), at, stored);
}

/** The notation of POSIX archives, version 0.1: a list in the extended header. Throws `corrupt`. */
export function readListedSparse(list: string, realSize: string, dataAt: number, stored: number): SparseContent {
  return place(list.split(',').map(numberOf), numberOf(realSize), dataAt, stored);
}

/** Version 1.0: lines at the beginning of the member, filled up to whole blocks; the first tells how many pairs follow. */
export async function readLeadingSparse(
  archive: ByteSource,
  realSize: string,
  dataAt: number,
  stored: number,
): Promise<SparseContent> {
  const numbers: number[] = [];
  let begun = '';
  let wanted = 1;
  let at = dataAt;
  while (numbers.length < wanted) {
    const lines = (begun + textOf(await readBlock(archive, at, dataAt + stored))).split('\n');
    at += TAR_BLOCK;
    begun = lines.pop()!;
    for (const line of lines) numbers.push(numberOf(line));
    if (numbers.length > 0) wanted = 1 + 2 * numbers[0]!;
    if (wanted > 2 * MOST_STRETCHES) throw tooMany();
  }
  return place(numbers.slice(1, wanted), numberOf(realSize), at, stored - (at - dataAt));
}

async function readBlock(archive: ByteSource, at: number, end: number): Promise<Uint8Array> {
  if (at + TAR_BLOCK > end) throw damaged();
  const block = new Uint8Array(TAR_BLOCK);
  await archive.read(at, block);
  return block;
}

/** Pairs of starts and lengths; the stretches follow each other in the archive; on the disk they ascend. */
function place(numbers: readonly number[], size: number, host: number, stored: number): SparseContent {
  if (numbers.length % 2 !== 0) throw damaged();
  if (numbers.length > 2 * MOST_STRETCHES) throw tooMany();
  const stretches: Stretch[] = [];
  let at = host;
  let end = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const start = numbers[index]!;
    const length = numbers[index + 1]!;
    if (start < end || start + length > size || at + length > host + stored) throw damaged();
    if (length > 0) stretches.push({ start, length, host: at });
    at += length;
    end = start + length;
  }
  return { size, stretches };
}

function numberOf(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw damaged();
  return value;
}

function damaged(): Error {
  return corrupt('The map of a sparse file in the tar archive is damaged');
}

function tooMany(): Error {
  return corrupt('The map of a sparse file in the tar archive is too large');
}
