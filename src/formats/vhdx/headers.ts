/**
 * The two headers, of which one counts, and how they are changed.
 *
 * Specification: [MS-VHDX], section 2.2.2. A header is changed by writing the one that does not count, with the next
 * sequence number, twice: then both say the same, and a torn write at any time leaves one that is valid.
 */
import type { Values } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { randomGuid } from '../../image/guid.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { checksumOf, HEADER, HEADER_OFFSETS, HEADER_SIGNATURE, HEADER_SIZE, MIB } from './layout.js';

export type Header = Values<typeof HEADER.fields>;

/** The header that counts. */
export interface CurrentHeader {
  header: Header;
  /** Which of the two it is. */
  index: 0 | 1;
}

/** Throws `corrupt` if none is valid, or two that differ claim to be current. */
export async function readHeaders(source: ByteSource, kernels: Kernels): Promise<CurrentHeader> {
  const first = await readHeader(source, kernels, 0);
  const second = await readHeader(source, kernels, 1);
  const none = corrupt('No valid VHDX header found');
  if (first === null && second === null) throw none;
  if (first === null) return { header: second!, index: 1 };
  if (second === null || first.sequenceNumber > second.sequenceNumber) return { header: first, index: 0 };
  if (second.sequenceNumber > first.sequenceNumber) return { header: second, index: 1 };
  // Microsoft's Disk2VHD writes the same header twice.
  if (!sameHeader(first, second)) throw none;
  return { header: first, index: 0 };
}

async function readHeader(source: ByteSource, kernels: Kernels, index: 0 | 1): Promise<Header | null> {
  const offset = HEADER_OFFSETS[index];
  if (offset + HEADER_SIZE > source.size) return null;
  const bytes = new Uint8Array(HEADER_SIZE);
  await source.read(offset, bytes);
  try {
    const header = HEADER.read(bytes);
    const valid = header.signature === HEADER_SIGNATURE && header.version === 1;
    return valid && header.checksum === checksumOf(kernels, bytes) ? header : null;
  } catch {
    // An offset beyond 2^53: not even the checksum of that is of interest.
    return null;
  }
}

function sameHeader(left: Header, right: Header): boolean {
  const one = new Uint8Array(HEADER.size);
  const other = new Uint8Array(HEADER.size);
  HEADER.write(one, left);
  HEADER.write(other, right);
  return one.every((byte, at) => byte === other[at]);
}

/** Throws `corrupt` for a log that cannot be where the header says. */
export function checkLog({ logOffset, logLength, logVersion }: Header): void {
  if (logVersion !== 0) throw corrupt(`VHDX log version ${logVersion} is not known`);
  if (logOffset < MIB || logOffset % MIB !== 0 || logLength % MIB !== 0)
    throw corrupt(`The VHDX log at ${logOffset}, ${logLength} bytes long, is not aligned to 1 MiB`);
}

/** A header as it is stored. */
export function serializeHeader(kernels: Kernels, header: Omit<Header, 'checksum'>): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HEADER.write(bytes, header);
  HEADER.write(bytes, { checksum: checksumOf(kernels, bytes) });
  return bytes;
}

/** Changes both headers. Returns the one that counts from now on. */
export async function updateHeaders(
  sink: ByteSink,
  kernels: Kernels,
  current: CurrentHeader,
  change: Partial<Pick<Header, 'dataWriteGuid' | 'logGuid'>>,
): Promise<CurrentHeader> {
  let { header, index } = current;
  const fileWriteGuid = randomGuid();
  for (let turn = 0; turn < 2; turn++) {
    header = { ...header, ...change, fileWriteGuid, sequenceNumber: header.sequenceNumber + 1n };
    index = index === 0 ? 1 : 0;
    await sink.write(HEADER_OFFSETS[index], serializeHeader(kernels, header));
    await sink.flush();
  }
  return { header, index };
}
