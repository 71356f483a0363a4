/**
 * One storage kept several times: reading lets the copies vote, writing goes to all of them.
 *
 * A request has succeeded if `threshold` copies agree on it. A content with most votes wins; ties go to the copy that
 * comes first.
 */
import { ImageError } from '../errors.js';
import type { ByteStore, StorageExtent } from './storage.js';

export interface VotingRules {
  /** Copies that have to agree; 1 at least, and at most as many as there are. */
  threshold: number;
  /** Copies that were outvoted are written to with what won. */
  rewrites: boolean;
  /** The first copy that can be read is believed. */
  first: boolean;
  /** What to say where copies differ; absent: a vote decides. */
  mismatch?(offset: number, length: number, at: number): string;
}

/** What one copy answered. */
type Answer = { copy: ByteStore; bytes: Uint8Array } | { copy: ByteStore; error: unknown };

type Reading = Extract<Answer, { bytes: Uint8Array }>;

export class ReplicatedStore implements ByteStore {
  readonly transfer: number;
  readonly readsZero = false;

  constructor(
    readonly name: string,
    private readonly copies: readonly ByteStore[],
    private readonly rules: VotingRules,
  ) {
    this.transfer = Math.max(...copies.map(({ transfer }) => transfer));
  }

  get size(): number {
    return this.copies[0]!.size;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (this.rules.first) return this.#readFirst(offset, into);
    const answers = await Promise.all(this.copies.map((copy) => readFrom(copy, offset, into.length)));
    const readings = answers.filter((answer): answer is Reading => 'bytes' in answer);
    if (readings.length < this.rules.threshold) throw failureOf(answers);
    into.set(this.#elect(readings, offset).bytes);
    if (this.rules.rewrites) await this.#repair(answers, offset, into);
  }

  /** Data wherever one copy has data. */
  async extents(offset: number, length: number): Promise<StorageExtent[]> {
    let hole = true;
    let shortest = length;
    for (const copy of this.copies) {
      const extents = (await copy.extents?.(offset, length)) ?? [{ start: offset, length, hole: false }];
      const [first] = extents;
      shortest = Math.min(shortest, first!.length);
      hole &&= first!.hole;
    }
    return [{ start: offset, length: shortest, hole }];
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#onAll((copy) => copy.write(offset, bytes));
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#onAll((copy) => copy.zero(offset, length));
  }

  truncate(size: number): Promise<void> {
    return this.#onAll((copy) => copy.truncate(size));
  }

  flush(): Promise<void> {
    return this.#onAll((copy) => copy.flush());
  }

  close(): Promise<void> {
    return this.#onAll((copy) => copy.close());
  }

  async #readFirst(offset: number, into: Uint8Array): Promise<void> {
    for (const [index, copy] of this.copies.entries()) {
      try {
        await copy.read(offset, into);
        return;
      } catch (error) {
        if (!(error instanceof ImageError) || index === this.copies.length - 1) throw error;
      }
    }
  }

  /** Throws `io` if no content has votes enough, or where copies may not differ. */
  #elect(readings: readonly Reading[], offset: number): Reading {
    const { mismatch, threshold } = this.rules;
    const first = readings[0]!;
    const differing = readings.find(({ bytes }) => differenceIn(first.bytes, bytes) !== null);
    if (differing === undefined) return first;
    if (mismatch !== undefined) {
      const at = differenceIn(first.bytes, differing.bytes)!;
      throw new ImageError('io', mismatch(offset, first.bytes.length, offset + at), { offset: offset + at });
    }
    const votes = readings.map(
      ({ bytes }) => readings.filter((other) => differenceIn(bytes, other.bytes) === null).length,
    );
    const most = Math.max(...votes);
    if (most < threshold) throw new ImageError('io', 'Input/output error', { offset });
    return readings[votes.indexOf(most)]!;
  }

  async #repair(answers: readonly Answer[], offset: number, content: Uint8Array): Promise<void> {
    const outvoted = answers.filter((answer) => 'bytes' in answer && differenceIn(answer.bytes, content) !== null);
    // A copy that cannot be repaired is no worse than before.
    await Promise.allSettled(outvoted.map(async ({ copy }) => copy.write(offset, content)));
  }

  async #onAll(work: (copy: ByteStore) => void | Promise<void>): Promise<void> {
    const results = await Promise.allSettled(this.copies.map(async (copy) => work(copy)));
    const failed = results.find((result) => result.status === 'rejected');
    const succeeded = results.filter((result) => result.status === 'fulfilled').length;
    if (failed?.status === 'rejected' && succeeded < this.rules.threshold) throw failed.reason;
  }
}

async function readFrom(copy: ByteStore, offset: number, length: number): Promise<Answer> {
  const bytes = new Uint8Array(length);
  try {
    await copy.read(offset, bytes);
    return { copy, bytes };
  } catch (error) {
    return { copy, error };
  }
}

function failureOf(answers: readonly Answer[]): unknown {
  for (const answer of answers) if ('error' in answer) return answer.error;
  return new ImageError('io', 'Input/output error');
}

/** Where two contents of one length first differ; null: nowhere. */
function differenceIn(a: Uint8Array, b: Uint8Array): number | null {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return at;
  return null;
}
