/**
 * The log: changes of metadata that were recorded, and may not have been made.
 *
 * The log is a ring of sectors of 4 KiB. An entry is a header, descriptors, and a sector for each descriptor that has
 * data; entries that follow each other with ascending sequence numbers are a sequence. The one that ends with the highest
 * number, and reaches back to where its last entry says, is active: its changes are to be made, in order, before the
 * file means anything.
 *
 * Specification: [MS-VHDX], section 2.3.
 */
import { fields, type Values, viewOf } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteSource } from '../../storage/storage.js';
import type { Header } from './headers.js';
import { checksumOf, MIB } from './layout.js';
import type { Change } from './replayed-store.js';

export const LOG_SECTOR = 4096;

/** Logs are 1 MiB as a rule; they are read as a whole. Bytes. */
const LONGEST_LOG = 64 * MIB;

/** Each read looks at all changes. A log of 64 MiB has at most 16384 with data. */
const MOST_CHANGES = 32768;

/** Checksums may cover the log so many times: entries that overlap make no sense, but cost time. */
const MOST_PASSES = 4;

const ENTRY = fields('little', {
  signature: [0, 'u32'],
  checksum: [4, 'u32'],
  length: [8, 'u32'],
  /** Where in the log the sequence begins that this entry ends. */
  tail: [12, 'u32'],
  sequenceNumber: [16, 'bits64'],
  descriptorCount: [24, 'u32'],
  logGuid: [32, { bytes: 16 }],
  /** The file had at least so many bytes when the entry was written. */
  flushedFileOffset: [48, 'u64'],
  /** The file must have so many bytes afterwards. */
  lastFileOffset: [56, 'u64'],
});

/** `loge`, `desc`, `zero`, `data` */
const SIGNATURES = { entry: 0x65676f6c, data: 0x63736564, zero: 0x6f72657a, sector: 0x61746164 } as const;

const DESCRIPTOR = fields('little', {
  signature: [0, 'u32'],
  /** The last four bytes of the data. */
  trailing: [4, { bytes: 4 }],
  /** The first eight bytes of the data; of zeros, their length. */
  leading: [8, { bytes: 8 }],
  fileOffset: [16, 'u64'],
  sequenceNumber: [24, 'bits64'],
});

interface Entry {
  header: Values<typeof ENTRY.fields>;
  changes: Change[];
}

/** What an active sequence asks for. */
export interface Replay {
  changes: readonly Change[];
  /** Bytes that the file must have at the end. */
  fileSize: number;
}

/** The changes that the log holds; null: none. Throws `corrupt` for a file that was cut off since. */
export async function readLog(source: ByteSource, kernels: Kernels, header: Header): Promise<Replay | null> {
  const { logOffset, logLength, logGuid } = header;
  if (logLength === 0 || logGuid.every((byte) => byte === 0)) return null;
  if (logLength > LONGEST_LOG) throw new ImageError('unsupported', `A VHDX log of ${logLength} bytes is too long`);
  if (logOffset + logLength > source.size) throw corrupt('The VHDX log lies beyond the end of the file');
  const bytes = new Uint8Array(logLength);
  await source.read(logOffset, bytes);
  const sequence = new LogReader(bytes, kernels, logGuid).activeSequence();
  return sequence === null ? null : replayOf(sequence, source.size);
}

function replayOf(sequence: readonly Entry[], size: number): Replay {
  let fileSize = size;
  for (const { header } of sequence) {
    if (header.flushedFileOffset > size)
      throw corrupt(`The VHDX file was cut off: it had at least ${header.flushedFileOffset} bytes`);
    fileSize = Math.max(fileSize, Math.ceil(header.lastFileOffset / MIB) * MIB);
  }
  const changes = sequence.flatMap((entry) => entry.changes);
  if (changes.length > MOST_CHANGES)
    throw new ImageError('unsupported', `A VHDX log of ${changes.length} changes is too long`);
  return { changes, fileSize };
}

class LogReader {
  /** Bytes that checksums may still cover. */
  #budget: number;
  readonly #entries = new Map<number, Entry | null>();

  constructor(
    private readonly log: Uint8Array,
    private readonly kernels: Kernels,
    private readonly guid: Uint8Array,
  ) {
    this.#budget = MOST_PASSES * log.length;
  }

  /** The entries to be replayed, in order; null: there are none. */
  activeSequence(): Entry[] | null {
    let best: Entry[] | null = null;
    for (let tail = 0; tail < this.log.length; ) {
      const sequence = this.#sequenceFrom(tail);
      const last = sequence.at(-1)?.header;
      const bestNumber = best?.at(-1)?.header.sequenceNumber ?? 0n;
      if (last !== undefined && last.tail === tail && last.sequenceNumber > bestNumber) best = sequence;
      tail += LOG_SECTOR;
    }
    return best;
  }

  #sequenceFrom(tail: number): Entry[] {
    const sequence: Entry[] = [];
    let read = 0;
    for (let at = tail; read < this.log.length; ) {
      const entry = this.#entryAt(at);
      const previous = sequence.at(-1)?.header;
      if (entry === null || read + entry.header.length > this.log.length) break;
      if (previous !== undefined && entry.header.sequenceNumber !== previous.sequenceNumber + 1n) break;
      sequence.push(entry);
      read += entry.header.length;
      at = (at + entry.header.length) % this.log.length;
    }
    return sequence;
  }

  #entryAt(at: number): Entry | null {
    const known = this.#entries.get(at);
    if (known !== undefined) return known;
    const entry = this.#readEntry(at);
    this.#entries.set(at, entry);
    return entry;
  }

  /** null: what begins at `at` is no valid entry of this log. */
  #readEntry(at: number): Entry | null {
    if (viewOf(this.log).getUint32(at, true) !== SIGNATURES.entry) return null;
    const header = tryRead(() => ENTRY.read(this.log, at));
    if (header === null) return null;
    const { length, sequenceNumber, descriptorCount, logGuid, checksum } = header;
    if (length === 0 || length % LOG_SECTOR !== 0 || length > this.log.length || sequenceNumber === 0n) return null;
    if (!logGuid.every((byte, index) => byte === this.guid[index])) return null;
    if (ENTRY.size + descriptorCount * DESCRIPTOR.size > length) return null;
    this.#budget -= length;
    if (this.#budget < 0) throw corrupt('The entries of the VHDX log overlap');
    const bytes = this.#ring(at, length);
    if (checksumOf(this.kernels, bytes) !== checksum) return null;
    const changes = tryRead(() => readChanges(bytes, header));
    return changes === null ? null : { header, changes };
  }

  /** A stretch that may begin again at the log's start. */
  #ring(at: number, length: number): Uint8Array {
    if (at + length <= this.log.length) return this.log.slice(at, at + length);
    const bytes = new Uint8Array(length);
    bytes.set(this.log.subarray(at));
    bytes.set(this.log.subarray(0, at + length - this.log.length), this.log.length - at);
    return bytes;
  }
}

/** null: it holds a number beyond 2^53. */
function tryRead<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof ImageError && error.code === 'corrupt') return null;
    throw error;
  }
}

/** The changes of an entry; null: one of its descriptors is not valid. */
function readChanges(bytes: Uint8Array, { descriptorCount, sequenceNumber }: Entry['header']): Change[] | null {
  const changes: Change[] = [];
  let sector = Math.ceil((ENTRY.size + descriptorCount * DESCRIPTOR.size) / LOG_SECTOR) * LOG_SECTOR;
  for (let index = 0; index < descriptorCount; index++) {
    const descriptor = DESCRIPTOR.read(bytes, ENTRY.size + index * DESCRIPTOR.size);
    const { signature, fileOffset, leading } = descriptor;
    if (descriptor.sequenceNumber !== sequenceNumber || fileOffset % LOG_SECTOR !== 0) return null;
    if (signature === SIGNATURES.zero) {
      const length = Number(viewOf(leading).getBigUint64(0, true));
      if (length % LOG_SECTOR !== 0 || !Number.isSafeInteger(fileOffset + length)) return null;
      changes.push({ offset: fileOffset, length, bytes: null });
    } else if (signature === SIGNATURES.data) {
      if (sector + LOG_SECTOR > bytes.length) return null;
      const data = bytes.slice(sector, sector + LOG_SECTOR);
      if (!isDataSector(data, sequenceNumber)) return null;
      data.set(leading, 0);
      data.set(descriptor.trailing, LOG_SECTOR - 4);
      changes.push({ offset: fileOffset, length: LOG_SECTOR, bytes: data });
      sector += LOG_SECTOR;
    } else return null;
  }
  return changes;
}

/** Its sequence number is split: the upper half in front, the lower one at the end. */
function isDataSector(data: Uint8Array, sequenceNumber: bigint): boolean {
  const view = viewOf(data);
  const number = (BigInt(view.getUint32(4, true)) << 32n) | BigInt(view.getUint32(LOG_SECTOR - 4, true));
  return view.getUint32(0, true) === SIGNATURES.sector && number === sequenceNumber;
}
