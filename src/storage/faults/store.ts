/** A storage that fails by rules, and takes requests only within limits: for tests of what is above it. */
import { roundDown, roundUp } from '../../bytes.js';
import type { MaybePromise } from '../../maybe.js';
import type { StorageEvent } from '../events.js';
import type { ByteStore, StorageExtent } from '../storage.js';
import type { FaultRules, RequestKind } from './rules.js';

/** How requests are cut before they reach the rules and the storage; bytes, 0: as they come. */
export interface RequestLimits {
  /** Requests begin and end on multiples of this; a power of two. */
  align: number;
  /** The most that is read or written at once. */
  maxTransfer: number;
  /** Only whole multiples of this are zeroed without writing zeros. */
  zeroAlign: number;
  maxZero: number;
}

export const NO_LIMITS: RequestLimits = { align: 0, maxTransfer: 0, zeroAlign: 0, maxZero: 0 };

interface Piece {
  start: number;
  end: number;
}

export class FaultyStore implements ByteStore {
  readonly name: string;
  readonly transfer: number;
  readonly readsZero: boolean;
  readonly #unit: number;

  constructor(
    private readonly inner: ByteStore,
    private readonly rules: FaultRules,
    private readonly limits: RequestLimits = NO_LIMITS,
  ) {
    this.name = inner.name;
    this.transfer = inner.transfer;
    this.readsZero = inner.readsZero;
    this.#unit = limits.align || 1;
  }

  get size(): number {
    return this.inner.size;
  }

  announce(event: StorageEvent): void {
    this.rules.announce(event);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    for (const { start, end } of this.#cut(offset, into.length, this.limits.maxTransfer)) {
      this.#check('read', start, end);
      const [from, to] = [Math.max(start, offset), Math.min(end, offset + into.length)];
      await this.inner.read(from, into.subarray(from - offset, to - offset));
    }
  }

  extents(offset: number, length: number): MaybePromise<StorageExtent[]> {
    this.#check('block-status', roundDown(offset, this.#unit), roundUp(offset + length, this.#unit));
    return this.inner.extents?.(offset, length) ?? [{ start: offset, length, hole: false }];
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#readEdges(offset, bytes.length);
    this.announce('pwritev');
    await this.#write(offset, bytes);
    this.announce('pwritev_done');
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#readEdges(offset, length);
    this.announce('pwritev_zero');
    const unit = Math.max(this.#unit, this.limits.zeroAlign);
    const from = Math.min(roundUp(offset, unit), offset + length);
    const to = Math.max(from, roundDown(offset + length, unit));
    if (from > offset) await this.#write(offset, new Uint8Array(from - offset));
    for (const { start, end } of this.#cut(from, to - from, this.limits.maxZero)) {
      this.#check('write-zeroes', start, end);
      await this.inner.zero(start, end - start);
    }
    if (to < offset + length) await this.#write(to, new Uint8Array(offset + length - to));
    this.announce('pwritev_done');
  }

  truncate(size: number): Promise<void> {
    return this.inner.truncate(size);
  }

  async flush(): Promise<void> {
    this.announce('flush_to_os');
    this.announce('flush_to_disk');
    this.#check('flush', 0, 0);
    await this.inner.flush();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    for (const { start, end } of this.#cut(offset, bytes.length, this.limits.maxTransfer)) {
      this.#check('write', start, end);
      const [from, to] = [Math.max(start, offset), Math.min(end, offset + bytes.length)];
      await this.inner.write(from, bytes.subarray(from - offset, to - offset));
    }
  }

  /** What a storage with this alignment has to read before it can write a part of a unit. */
  #readEdges(offset: number, length: number): void {
    const end = offset + length;
    const [head, tail] = [offset % this.#unit !== 0, end % this.#unit !== 0];
    const [first, last] = [roundDown(offset, this.#unit), roundDown(end, this.#unit)];
    if (head) {
      this.announce('pwritev_rmw_head');
      this.#check('read', first, first + this.#unit);
      this.announce('pwritev_rmw_after_head');
    }
    if (tail && (!head || last !== first)) {
      this.announce('pwritev_rmw_tail');
      this.#check('read', last, last + this.#unit);
      this.announce('pwritev_rmw_after_tail');
    }
  }

  #check(kind: RequestKind, start: number, end: number): void {
    this.rules.check(kind, start, end - start);
  }

  /** The range in whole units, in pieces of at most `most` bytes. */
  *#cut(offset: number, length: number, most: number): Iterable<Piece> {
    const end = roundUp(offset + length, this.#unit);
    const step = most || Number.POSITIVE_INFINITY;
    for (let start = roundDown(offset, this.#unit); start < end; start += step)
      yield { start, end: Math.min(end, start + step) };
  }
}
