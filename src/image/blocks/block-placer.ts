/**
 * Placing prepared runs in a block-mapped disk.
 *
 * A run may begin and end within a block. A block that gets its place is written in full where its space may hold
 * something else or where a backing file showed through: first what was there, then the run's own bytes.
 */
import { CRYPT_SECTOR } from '../../crypto/modes.js';
import type { SectorCipher } from '../../crypto/sector-cipher.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import { TRANSFER_GRID } from '../../storage/storage.js';
import type { HostWrites } from '../host-writes.js';
import type { Image, PreparedRun } from '../image.js';
import { type BlockPlace, isStored, UNALLOCATED, type WritableBlockMap } from './block-map.js';

export interface PlacingRules {
  /** What is not placed reads as zeros. */
  readonly readsZero: boolean;
  /** Space that a new block gets reads as zeros. */
  readonly freshSpace: boolean;
  /** An unallocated block shows a backing file. */
  readonly hasBacking: boolean;
  /** Guest disk in bytes, now. */
  size(): number;
  /** The disk as it was, backing files included; asked for the rest of a block of which a run holds a part. */
  readAround(offset: number, into: Uint8Array): MaybePromise<void>;
  /** Encrypts what is written, sectors counted in the guest's disk; null: nothing is. Runs are whole sectors then. */
  readonly cipher: SectorCipher | null;
}

/** What a run holds of one block; guest bytes. */
interface Part {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly data: { start: number; bytes: Uint8Array }[];
  packed: Uint8Array | null;
  /** Blocks, this one included, through which the data goes on without a gap. */
  stretch: number;
}

const ZEROS = new Uint8Array(64 * 1024);

export class BlockPlacer {
  constructor(
    private readonly rules: PlacingRules,
    private readonly map: WritableBlockMap,
  ) {}

  /** Gives every piece of the run its place; what is to be written goes to `writes`. */
  place(run: PreparedRun, writes: HostWrites): MaybePromise<void> {
    return this.#placeFrom(partsOf(run, this.map.blockSize), 0, writes);
  }

  #placeFrom(parts: readonly Part[], from: number, writes: HostWrites): MaybePromise<void> {
    for (let index = from; index < parts.length; index++) {
      const placed = this.#placePart(parts[index]!, writes);
      if (isPending(placed)) return placed.then(() => this.#placeFrom(parts, index + 1, writes));
    }
  }

  #placePart(part: Part, writes: HostWrites): MaybePromise<void> {
    if (part.packed !== null) return this.#placePacked(part.index, part.packed, writes);
    if (part.data.length === 0 && this.rules.readsZero) return;
    const place = this.map.find(part.index);
    return isPending(place)
      ? place.then((arrived) => this.#placeAt(part, arrived, writes))
      : this.#placeAt(part, place, writes);
  }

  #placePacked(index: number, bytes: Uint8Array, writes: HostWrites): MaybePromise<void> {
    const host = this.map.allocatePacked!(index, bytes.length);
    if (isPending(host)) return host.then((arrived) => writes.add(arrived, bytes));
    writes.add(host, bytes);
  }

  #placeAt(part: Part, place: BlockPlace, writes: HostWrites): MaybePromise<void> {
    if (part.data.length === 0) return this.#placeZeros(part, place, writes);
    if (isStored(place)) return this.#overwrite(part, place, writes);
    return this.#allocate(part, place, writes);
  }

  #placeZeros(part: Part, place: BlockPlace, writes: HostWrites): MaybePromise<void> {
    const isWhole = this.#isWhole(part);
    const showsBacking = place === UNALLOCATED && this.rules.hasBacking;
    if (typeof place === 'number' && !isStored(place) && !showsBacking) return;
    // a place that the block has is kept: without refcounts nobody else could get it
    if (isStored(place)) return this.#overwrite(part, place, writes);
    if (isWhole && this.map.markZero !== undefined) return this.map.markZero(part.index);
    return this.#allocate(part, place, writes);
  }

  async #allocate(part: Part, before: BlockPlace, writes: HostWrites): Promise<void> {
    const { blockSize } = this.map;
    const { freshSpace, hasBacking } = this.rules;
    const start = part.index * blockSize;
    const around = this.#isWhole(part) ? null : await this.#around(part, before);
    const host = await this.map.allocate(part.index, part.stretch);
    if (around !== null) {
      this.#data(writes, host, start, around.subarray(0, part.start - start));
      this.#data(writes, host + part.end - start, part.end, around.subarray(part.end - start));
    } else if (!freshSpace) {
      this.#zeros(writes, host, start, part.start - start);
      this.#zeros(writes, host + part.end - start, part.end, start + blockSize - part.end);
    }
    await this.#write(part, host, writes, freshSpace && !hasBacking);
  }

  /** The block as it was, null if it is zeros. */
  async #around(part: Part, before: BlockPlace): Promise<Uint8Array | null> {
    const { blockSize } = this.map;
    const { hasBacking } = this.rules;
    const showsZeros = before !== UNALLOCATED ? typeof before === 'number' : !hasBacking;
    if (showsZeros) return null;
    const block = new Uint8Array(blockSize);
    const start = part.index * blockSize;
    await this.rules.readAround(start, block.subarray(0, Math.min(blockSize, this.rules.size() - start)));
    return block;
  }

  #overwrite(part: Part, host: number, writes: HostWrites): MaybePromise<void> {
    this.#write(part, host, writes, false);
    return this.map.overwritten?.(part.index);
  }

  #write(part: Part, host: number, writes: HostWrites, skipZeros: boolean): void {
    const start = part.index * this.map.blockSize;
    let at = part.start;
    for (const { start: from, bytes } of part.data) {
      if (!skipZeros) this.#zeros(writes, host + at - start, at, from - at);
      this.#data(writes, host + from - start, from, bytes);
      at = from + bytes.length;
    }
    if (!skipZeros) this.#zeros(writes, host + at - start, at, part.end - at);
  }

  /** Guest bytes from `guest` on. */
  #data(writes: HostWrites, host: number, guest: number, bytes: Uint8Array): void {
    writes.add(host, this.rules.cipher === null ? bytes : encrypted(this.rules.cipher, guest, bytes));
  }

  #zeros(writes: HostWrites, host: number, guest: number, length: number): void {
    if (this.rules.cipher === null) zeros(writes, host, length);
    else
      for (let at = 0; at < length; at += ZEROS.length)
        this.#data(writes, host + at, guest + at, ZEROS.subarray(0, Math.min(ZEROS.length, length - at)));
  }

  #isWhole({ index, start, end }: Part): boolean {
    const { blockSize } = this.map;
    return start === index * blockSize && end === Math.min((index + 1) * blockSize, this.rules.size());
  }
}

function encrypted(cipher: SectorCipher, guest: number, bytes: Uint8Array): Uint8Array {
  const sectors = new Uint8Array(bytes.length);
  cipher.encrypt(bytes, sectors, guest / CRYPT_SECTOR);
  return sectors;
}

/** Small stretches of zeros are copied along with their neighbours, large ones are left to the storage. */
function zeros(writes: HostWrites, offset: number, length: number): void {
  if (length <= 0) return;
  if (length < ZEROS.length) writes.add(offset, ZEROS.subarray(0, length));
  else writes.zero(offset, length);
}

/** Cuts a run into blocks. */
function partsOf(run: PreparedRun, blockSize: number): Part[] {
  const end = run.offset + run.length;
  const parts: Part[] = [];
  for (let at = run.offset; at < end; ) {
    const index = Math.floor(at / blockSize);
    const stop = Math.min(end, (index + 1) * blockSize);
    parts.push({ index, start: at, end: stop, data: [], packed: null, stretch: 1 });
    at = stop;
  }
  const first = parts[0]?.index ?? 0;
  for (const piece of run.pieces) {
    if (piece.kind === 'zero') continue;
    const pieceEnd = piece.offset + piece.length;
    for (let at = piece.offset; at < pieceEnd; ) {
      const part = parts[Math.floor(at / blockSize) - first]!;
      const stop = Math.min(pieceEnd, part.end);
      if (piece.kind === 'packed') part.packed = piece.bytes;
      else part.data.push({ start: at, bytes: piece.bytes.subarray(at - piece.offset, stop - piece.offset) });
      at = stop;
    }
  }
  for (let index = parts.length - 2; index >= 0; index--)
    if (goesOn(parts[index]!, parts[index + 1]!)) parts[index]!.stretch += parts[index + 1]!.stretch;
  return parts;
}

/** Data goes on from one block into the next. */
function goesOn(part: Part, next: Part): boolean {
  const last = part.data.at(-1);
  // Runs are as long as the storage likes them, at least so much: what is placed must not depend on that.
  if (next.start % TRANSFER_GRID === 0) return false;
  return last !== undefined && last.start + last.bytes.length === next.start && next.data[0]?.start === next.start;
}

/** What `readAround` is for an image over its backing file: its own content, the backing file's where it has none. */
export async function readThrough(own: Image, backing: Image | null, offset: number, into: Uint8Array): Promise<void> {
  await own.read(offset, into);
  if (backing === null) return;
  const end = Math.min(offset + into.length, backing.size);
  for (let at = offset; at < end; ) {
    for (const { kind, start, length } of await own.extents(at, end - at)) {
      if (kind === 'unallocated') await backing.read(start, into.subarray(start - offset, start - offset + length));
      at = start + length;
    }
  }
}
