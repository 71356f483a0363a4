/** An NBD export as storage: splits and aligns requests as the server's size constraints want them. */
import { roundDown, roundUp } from '../../../bytes.js';
import { ImageError } from '../../../errors.js';
import { type ByteStore, type StorageExtent, TRANSFER_GRID } from '../../../storage/storage.js';
import { allDone, cutAtBlocks, inPieces, type Range } from './blocks.js';
import { EINVAL, EOVERFLOW, RequestError } from './errors.js';
import type { BlockSizes, ExportInfo } from './handshake.js';
import type { ConnectionPool } from './pool.js';
import { DEFAULT_MAX_PAYLOAD, MAX_MIN_BLOCK, TransmissionFlag } from './protocol.js';
import type { BlockExtent } from './reply.js';

const MIB = 1024 * 1024;

/** Twice QEMU's: half as many round trips of latency, while 16 runs in flight hold no more than 64 MiB. */
const TRANSFER = 4 * MIB;

/** Of the pieces of one large request, as many are in flight at once. */
const WIDTH = 4;

/** A request without data covers at most this much, so that each is answered in good time; a length has 32 bits. */
const MAX_EFFECT = 1024 * MIB;

/** Extents are asked for at most this far: the largest whole blocks in a signed length, which every server understands. */
const MAX_QUERY = 2 ** 31 - MAX_MIN_BLOCK;

/** A server that advertises no block sizes and cannot be asked for its holes may be one that wants whole sectors. */
const SECTOR = 512;

const ZEROES = new Uint8Array(TRANSFER);

/** The size constraints to keep, where some or all may not have been advertised. */
export function sizesOf({ blockSizes, size, allocationContext }: ExportInfo): BlockSizes {
  const byteWise = size % SECTOR !== 0 || allocationContext !== null;
  const { minimum, preferred, maximum } = blockSizes ?? {
    minimum: byteWise ? 1 : SECTOR,
    preferred: 4096,
    maximum: DEFAULT_MAX_PAYLOAD,
  };
  const largest = Math.min(maximum, DEFAULT_MAX_PAYLOAD);
  return { minimum, preferred, maximum: roundDown(largest, largest >= preferred ? preferred : minimum) };
}

export interface StoreOptions {
  /** Ranges that are zeroed must not become holes. */
  keepAllocated: boolean;
  onClose(): void;
}

export class NbdStore implements ByteStore {
  readonly size: number;
  readonly transfer: number;
  readonly readsZero = false;
  /** Absent if the server cannot tell holes from data. */
  readonly extents?: (offset: number, length: number) => Promise<StorageExtent[]>;
  readonly #sizes: BlockSizes;
  /** The latest read-modify-write of a block, by the block's number: the next one on the same block waits for it. */
  readonly #edits = new Map<number, Promise<void>>();
  /** The most that one request without data covers; less once the server has refused that. */
  #maxEffect: number;

  constructor(
    readonly name: string,
    readonly info: ExportInfo,
    readonly pool: ConnectionPool,
    readonly options: StoreOptions,
  ) {
    this.size = info.size;
    this.#sizes = sizesOf(info);
    // Also where the server takes less at once: requests are cut.
    this.transfer = Math.max(TRANSFER_GRID, roundDown(Math.min(TRANSFER, this.#sizes.maximum), TRANSFER_GRID));
    this.#maxEffect = MAX_EFFECT;
    if (info.allocationContext !== null) this.extents = (offset, length) => this.#extents(offset, length);
  }

  /** The server lets nobody write. */
  get readOnly(): boolean {
    return this.#has('READ_ONLY');
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#checkRange(offset, into.length, 'io', 'Input/output error');
    const { edges, middle } = this.#cut(offset, into.length);
    const whole = inPieces(middle, this.#sizes.maximum, WIDTH, (start, end) =>
      this.pool.run((transmission) => transmission.read(start, into.subarray(start - offset, end - offset))),
    );
    if (edges.length === 0) return whole;
    const partial = edges.map(async (edge) => {
      const { start, bytes } = await this.#readBlock(edge);
      into.set(bytes.subarray(edge.start - start, edge.end - start), edge.start - offset);
    });
    await allDone([whole, ...partial]);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkWritable(offset, bytes.length);
    const { edges, middle } = this.#cut(offset, bytes.length);
    const whole = inPieces(middle, this.#sizes.maximum, WIDTH, (start, end) =>
      this.pool.run((transmission) => transmission.write(start, bytes.subarray(start - offset, end - offset))),
    );
    if (edges.length === 0) return whole;
    const part = ({ start, end }: Range) => bytes.subarray(start - offset, end - offset);
    await allDone([whole, ...edges.map((edge) => this.#editBlock(edge, part(edge)))]);
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#checkWritable(offset, length);
    const { edges, middle } = this.#cut(offset, length);
    const whole = this.#has('SEND_WRITE_ZEROES')
      ? this.#withoutData(middle, (start, end) =>
          this.pool.run((transmission) => transmission.writeZeroes(start, end - start, this.options.keepAllocated)),
        )
      : inPieces(middle, Math.min(ZEROES.length, this.#sizes.maximum), WIDTH, (start, end) =>
          this.pool.run((transmission) => transmission.write(start, ZEROES.subarray(0, end - start))),
        );
    const partial = edges.map((edge) => this.#editBlock(edge, ZEROES.subarray(0, edge.end - edge.start)));
    await allDone([whole, ...partial]);
  }

  /** Tells the server that the range is not needed any more; what it reads as after that is undefined. */
  async trim(offset: number, length: number): Promise<void> {
    this.#checkWritable(offset, length);
    if (!this.#has('SEND_TRIM')) return;
    const { middle } = this.#cut(offset, length);
    await this.#withoutData(middle, (start, end) =>
      this.pool.run((transmission) => transmission.trim(start, end - start)),
    );
  }

  async truncate(size: number): Promise<void> {
    if (size > this.size) throw new ImageError('invalid', 'Cannot grow NBD nodes', { file: this.name });
    if (size < this.size) throw new ImageError('invalid', 'Cannot resize NBD nodes', { file: this.name });
  }

  /** Covers, on every connection, what was written before this is called and has been acknowledged. */
  async flush(): Promise<void> {
    if (this.#has('SEND_FLUSH')) await this.pool.run((transmission) => transmission.flush());
  }

  async close(): Promise<void> {
    this.options.onClose();
    await this.pool.close();
  }

  async #extents(offset: number, length: number): Promise<StorageExtent[]> {
    this.#checkRange(offset, length, 'io', 'Input/output error');
    const { minimum } = this.#sizes;
    const start = roundDown(offset, minimum);
    const end = Math.min(roundUp(offset + Math.min(length, MAX_QUERY), minimum), this.size);
    const status = await this.pool.run((transmission) => transmission.blockStatus(start, end - start));
    const found = clipped(status, start, { start: offset, end: offset + length });
    // A server may break off before `offset` only in a block that it should not cut: then that block is data.
    return found.length > 0 ? found : [{ start: offset, length: Math.min(length, minimum), hole: false }];
  }

  /** Requests without data for a range; of the maximum payload size if the server does not want larger ones. */
  #withoutData(range: Range, request: (start: number, end: number) => Promise<void>): Promise<void> {
    return inPieces(range, this.#maxEffect, WIDTH, async (start, end) => {
      try {
        await request(start, end);
      } catch (error) {
        const tooLarge = error instanceof RequestError && (error.value === EOVERFLOW || error.value === EINVAL);
        if (!tooLarge || end - start <= this.#sizes.maximum) throw error;
        this.#maxEffect = this.#sizes.maximum;
        await inPieces({ start, end }, this.#maxEffect, WIDTH, request);
      }
    });
  }

  /** Reads the whole block around a part of it. */
  async #readBlock(part: Range): Promise<{ start: number; bytes: Uint8Array }> {
    const start = roundDown(part.start, this.#sizes.minimum);
    const bytes = new Uint8Array(Math.min(this.#sizes.minimum, this.size - start));
    await this.pool.run((transmission) => transmission.read(start, bytes));
    return { start, bytes };
  }

  /** Replaces a part of a block; edits of one block follow one another, so that none undoes another. */
  async #editBlock(part: Range, content: Uint8Array): Promise<void> {
    const number = Math.floor(part.start / this.#sizes.minimum);
    const before = this.#edits.get(number);
    const edit = (async () => {
      await before?.catch(() => undefined);
      const { start, bytes } = await this.#readBlock(part);
      bytes.set(content, part.start - start);
      await this.pool.run((transmission) => transmission.write(start, bytes));
    })();
    this.#edits.set(number, edit);
    try {
      await edit;
    } finally {
      if (this.#edits.get(number) === edit) this.#edits.delete(number);
    }
  }

  #cut(offset: number, length: number): { edges: Range[]; middle: Range } {
    return cutAtBlocks(offset, offset + length, this.#sizes.minimum, this.size);
  }

  #has(flag: keyof typeof TransmissionFlag): boolean {
    return (this.info.flags & TransmissionFlag[flag]) !== 0;
  }

  #checkWritable(offset: number, length: number): void {
    if (this.readOnly) throw new ImageError('denied', 'Operation not permitted', { file: this.name, offset });
    this.#checkRange(offset, length, 'no-space', 'No space left on device');
  }

  #checkRange(offset: number, length: number, code: 'io' | 'no-space', reason: string): void {
    if (offset < 0 || offset + length > this.size) throw new ImageError(code, reason, { file: this.name, offset });
  }
}

/** Extents that lie one after the other from `start`, as far as they are within `range`; neighbours of one kind are merged. */
function clipped(extents: readonly BlockExtent[], start: number, range: Range): StorageExtent[] {
  const found: StorageExtent[] = [];
  let at = start;
  for (const { length, zero, stored } of extents) {
    const from = Math.max(at, range.start);
    at += length;
    const to = Math.min(at, range.end);
    if (from < to) found.push({ start: from, length: to - from, hole: zero, stored });
    if (at >= range.end) break;
  }
  return found;
}
