/**
 * The file under examination: what all steps of a check, and a second check after repairs, have in common.
 *
 * Everything is read as it is, whatever it says; bytes beyond the end of the file are zeros.
 */
import { viewOf } from '../../../bytes.js';
import { ImageError } from '../../../errors.js';
import type { CheckEvents, CheckRequest, Repair } from '../../../image/check.js';
import { readPadded } from '../../../storage/padded.js';
import type { ByteSource, ByteStore } from '../../../storage/storage.js';
import { markingAsCorrupt } from '../corruption.js';
import { clusterSizeOf, hasDataFile, hasExtendedL2, l2EntrySizeOf, type QcowHeader } from '../header.js';
import { ENTRY_SIZE, HEADER_V3, hostOffsetOf, INCOMPATIBLE } from '../layout.js';
import type { StoredEntry } from '../snapshot-entry.js';
import { StoredRefcounts } from './stored-refcounts.js';

/** Bytes of an L1 table that are looked at at a time. */
const L1_WINDOW = 64 * 1024;

/** An entry of an L1 table that is not zero. */
export interface L1Entry {
  index: number;
  high: number;
  low: number;
  l2Offset: number;
}

/** An entry of the snapshot table, with all that is needed to write it again. */
export interface SnapshotEntry extends StoredEntry {
  l1TableOffset: bigint;
  /** Entries. */
  l1Size: number;
  id: string;
  name: string;
}

export class CheckedFile {
  readonly clusterSize: number;
  readonly isExtended: boolean;
  readonly hasDataFile: boolean;
  /** Bytes of an entry of an L2 table. */
  readonly l2EntrySize: number;
  refcounts: StoredRefcounts;
  /** As the latest check has found it. */
  snapshots: SnapshotEntry[] = [];
  snapshotTable = { offset: 0, length: 0 };
  #request: CheckRequest;
  #hasSignalled = false;
  #isUnusable = false;

  private constructor(
    readonly header: QcowHeader,
    readonly source: ByteSource,
    private readonly writable: ByteStore | null,
    request: CheckRequest,
    refcountTable: Uint8Array,
  ) {
    this.#request = request;
    this.clusterSize = clusterSizeOf(header);
    this.isExtended = hasExtendedL2(header);
    this.hasDataFile = hasDataFile(header);
    this.l2EntrySize = l2EntrySizeOf(header);
    this.refcounts = new StoredRefcounts(header, source, writable, refcountTable);
  }

  static async open(
    header: QcowHeader,
    source: ByteSource,
    writable: ByteStore | null,
    request: CheckRequest,
  ): Promise<CheckedFile> {
    return new CheckedFile(header, source, writable, request, await readRefcountTable(header, source));
  }

  /** Another check begins. Throws if a repair had to be given up in a way that leaves the image unusable. */
  begin(request: CheckRequest): void {
    if (this.#isUnusable) throw new ImageError('io', 'No medium found');
    this.#request = request;
  }

  /** A repair had to be given up: the image is marked as corrupt, and nothing but another check may use it. */
  get isUnusable(): boolean {
    return this.#isUnusable;
  }

  get repair(): Repair {
    return this.#request.repair;
  }

  get events(): CheckEvents {
    return this.#request.events;
  }

  /** Clusters that the file has, the last one maybe in part. */
  get clusterCount(): number {
    return Math.ceil(this.source.size / this.clusterSize);
  }

  /** The range ends beyond the end of the file; the last cluster may be there in part only. */
  exceedsFile(offset: number, length: number): boolean {
    return offset + length - this.source.size >= this.clusterSize;
  }

  /** The storage, for repairs. */
  get store(): ByteStore {
    if (this.writable === null) throw new Error('a check without repairs writes');
    return this.writable;
  }

  /** The refcounts are described by this table from now on. */
  adoptRefcountTable(table: Uint8Array): void {
    this.refcounts = new StoredRefcounts(this.header, this.source, this.writable, table);
  }

  /** Somebody else has changed refcounts in the file. */
  async reloadRefcounts(): Promise<void> {
    this.adoptRefcountTable(await readRefcountTable(this.header, this.source));
  }

  say(line: string): void {
    this.events.onFinding(line);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await readPadded(this.source, offset, into);
  }

  /**
   * Reads an L2 table. Returns how many entries to look at: behind the last one that is not zero there is nothing to find,
   * and a damaged L1 table refers to very many tables beyond the end of the file, of which nothing is even read.
   */
  async readL2(offset: number, into: Uint8Array): Promise<number> {
    if (offset >= this.source.size) return 0;
    await this.read(offset, into);
    return Math.ceil(lengthWithoutZeros(into) / this.l2EntrySize);
  }

  async flush(): Promise<void> {
    if (this.#request.flush) await this.store.flush();
  }

  /** The entries of an L1 table that are not zero. */
  async *l1Entries(offset: number, count: number): AsyncGenerator<L1Entry> {
    const stored = Math.min(count * ENTRY_SIZE, Math.max(0, this.source.size - offset));
    for (let at = 0; at < stored; at += L1_WINDOW) {
      const window = new Uint8Array(Math.min(L1_WINDOW, count * ENTRY_SIZE - at));
      await this.read(offset + at, window);
      const view = viewOf(window);
      for (let within = 0; within < window.length; within += ENTRY_SIZE) {
        const high = view.getUint32(within);
        const low = view.getUint32(within + 4);
        if (high === 0 && low === 0) continue;
        yield { index: (at + within) / ENTRY_SIZE, high, low, l2Offset: hostOffsetOf(high, low) };
      }
    }
  }

  /**
   * The metadata contradicts itself in a way that makes going on dangerous. It is said once. If the image is being
   * repaired it is also marked as corrupt, and cannot be used any more.
   */
  async signalCorruption(message: string): Promise<void> {
    const isFatal = this.repair !== 'none';
    const isMarked = (this.header.incompatibleFeatures & INCOMPATIBLE.corrupt) !== 0n;
    if (this.#hasSignalled && (!isFatal || isMarked)) return;
    this.#hasSignalled = true;
    if (!isFatal) {
      this.say(`qcow2: Image is corrupt: ${message}; further non-fatal corruption events will be suppressed`);
      return;
    }
    this.say(markingAsCorrupt(message));
    this.#isUnusable = true;
    await this.setIncompatible(this.header.incompatibleFeatures | INCOMPATIBLE.corrupt);
  }

  /** Changes the incompatible feature bits in the header. */
  async setIncompatible(bits: bigint): Promise<void> {
    if (bits === this.header.incompatibleFeatures) return;
    this.header.incompatibleFeatures = bits;
    await this.#writeFeatures({ incompatibleFeatures: bits });
  }

  /** As any program that writes to an image without knowing what these bits stand for. */
  async clearUnknownAutoclear(known: bigint): Promise<void> {
    const bits = this.header.autoclearFeatures & known;
    if (bits === this.header.autoclearFeatures) return;
    this.header.autoclearFeatures = bits;
    await this.#writeFeatures({ autoclearFeatures: bits });
  }

  async #writeFeatures(values: { incompatibleFeatures?: bigint; autoclearFeatures?: bigint }): Promise<void> {
    if (this.header.version < 3) return;
    const bytes = new Uint8Array(HEADER_V3.size);
    await this.source.read(0, bytes);
    HEADER_V3.write(bytes, values);
    await this.flush();
    await this.store.write(0, bytes);
    await this.flush();
  }
}

/** Bytes up to the last one that is not zero, rounded up to 4; `bytes` begin and end on such a multiple of their buffer. */
function lengthWithoutZeros({ buffer, byteOffset, byteLength }: Uint8Array): number {
  const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
  let count = words.length;
  while (count > 0 && words[count - 1] === 0) count--;
  return count * 4;
}

async function readRefcountTable(header: QcowHeader, source: ByteSource): Promise<Uint8Array> {
  const table = new Uint8Array(header.refcountTableClusters * clusterSizeOf(header));
  await readPadded(source, header.refcountTableOffset, table);
  return table;
}

/** 64 bits from two halves, in hexadecimal. */
export function hex64(high: number, low: number): string {
  return ((BigInt(high) << 32n) | BigInt(low)).toString(16);
}

/** An offset in hexadecimal, also above 2^53. */
export function hexOffset(offset: number): string {
  return BigInt(offset).toString(16);
}

/** What ends a check early; the findings have said more. */
export function ioError(): ImageError {
  return new ImageError('io', 'Input/output error');
}
