/**
 * Changing a block-mapped image in place.
 *
 * Crash safety is the order of writes: blocks before the entries that refer to them. Entries stay in memory until a
 * commit, which waits for the data that is on its way.
 */
import { roundDown, roundUp } from '../../bytes.js';
import { CRYPT_SECTOR } from '../../crypto/modes.js';
import { ImageError } from '../../errors.js';
import type { Kernels, Piece } from '../../kernels/kernels.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteStore } from '../../storage/storage.js';
import { HostWrites } from '../host-writes.js';
import type { BackingReference, EditableImage, Image, PendingWrite, PreparedRun, ResizeRequest } from '../image.js';
import { BlockImage, type BlockImageParts } from './block-image.js';
import type { WritableBlockMap } from './block-map.js';
import { BlockPlacer, readThrough } from './block-placer.js';
import { unitOf } from './block-writer.js';

/** Bytes that `write` and `zero` place at once. */
const CHUNK = 2 * 1024 * 1024;

export interface BlockEditorParts extends BlockImageParts {
  readonly source: ByteStore;
  readonly map: WritableBlockMap;
  readonly kernels: Kernels;
  readonly flush: boolean;
  /** As in `EditRequest`. */
  readonly hidesBacking?: boolean;
  /** As in `EditRequest`. */
  backingImage?(): Promise<Image | null>;
  /** Before the tables, at every commit: what must not say less than they do. Absent: nothing. */
  beforeTables?(): Promise<void>;
  /** After the tables, at every commit: what else the file tells of itself. Absent: nothing. */
  afterCommit?(): Promise<void>;
  /** As in `EditableImage`; what was written before is in the file by then. */
  setBacking?(reference: BackingReference | null): Promise<void>;
  /** As in `EditableImage`. */
  empty?(): Promise<void>;
  /** Enters another size of the disk in tables and header. Absent: it keeps its size. */
  resize?(size: number, request: ResizeRequest): Promise<void>;
  /** Before the first change. */
  prepare?(): Promise<void>;
  /** When nothing more is going to change. */
  finished?(): Promise<void>;
}

export class BlockEditor extends BlockImage implements EditableImage {
  readonly unit: number;
  readonly encoding = null;
  readonly unordered = false;
  readonly readsZero = false;
  readonly setBacking?: (reference: BackingReference | null) => Promise<void>;
  readonly empty?: () => Promise<void>;
  readonly resize?: (size: number, request: ResizeRequest) => Promise<void>;
  readonly #placer: BlockPlacer;
  #inFlight = 0;
  #onIdle: (() => void) | null = null;
  #isPrepared = false;
  /** Operations wait here for their turn. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(protected override readonly parts: BlockEditorParts) {
    super(parts);
    const { map, backing = null, cipher = null, setBacking, empty, resize } = parts;
    this.unit = unitOf(map.blockSize);
    const readAround = (offset: number, into: Uint8Array) => this.#readAround(offset, into);
    const hasBacking = backing !== null || parts.hidesBacking === true;
    const size = () => this.size;
    this.#placer = new BlockPlacer({ readsZero: false, freshSpace: false, hasBacking, size, readAround, cipher }, map);
    if (setBacking !== undefined) this.setBacking = (reference) => this.#setBacking(reference, setBacking);
    if (empty !== undefined) this.empty = () => this.#inTurn(empty);
    if (resize !== undefined) this.resize = (bytes, request) => this.#resize(bytes, request, resize);
  }

  place(run: PreparedRun): Promise<PendingWrite | undefined> {
    return this.#inTurn(() => this.#place(run));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#check(offset, bytes.length);
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      await this.#placeAndWrite({ kind: 'data', offset: offset + at, length: part.length, bytes: part });
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#check(offset, length);
    for (let at = 0; at < length; at += CHUNK)
      await this.#placeAndWrite({ kind: 'zero', offset: offset + at, length: Math.min(CHUNK, length - at) });
  }

  flush(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#commit();
      await this.parts.source.flush();
    });
  }

  finish(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#commit();
      await this.parts.finished?.();
      if (this.parts.flush) await this.parts.source.flush();
    });
  }

  #setBacking(reference: BackingReference | null, set: NonNullable<EditableImage['setBacking']>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#commit();
      await set(reference);
    });
  }

  #resize(size: number, request: ResizeRequest, resize: NonNullable<EditableImage['resize']>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#commit();
      await resize(size, request);
      this.size = size;
    });
  }

  #check(offset: number, length: number): void {
    if (offset + length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.parts.source.name, offset });
  }

  async #readAround(offset: number, into: Uint8Array): Promise<void> {
    const backing = (await this.parts.backingImage?.()) ?? null;
    if (this.backing !== null && backing === null)
      throw new ImageError('invalid', `Writing less than a block needs the backing file '${this.backing.name}'`);
    await readThrough(this, backing, offset, into);
  }

  async #placeAndWrite(piece: Piece): Promise<void> {
    const { offset, length } = piece;
    await this.#inTurn(async () => {
      const write = await this.#place(await this.#wholeSectors({ offset, length, pieces: [piece] }));
      await write?.();
    });
  }

  /** Encryption takes no less: what is around the run in its first and last sector is written along with it. */
  async #wholeSectors(run: PreparedRun): Promise<PreparedRun> {
    const { offset, length, pieces } = run;
    const [start, end] = [roundDown(offset, CRYPT_SECTOR), roundUp(offset + length, CRYPT_SECTOR)];
    if (!this.parts.cipher || end - start === length) return run;
    const bytes = new Uint8Array(end - start);
    await this.#readAround(start, bytes);
    for (const piece of pieces) {
      const at = piece.offset - start;
      if (piece.kind === 'data') bytes.set(piece.bytes, at);
      else bytes.fill(0, at, at + piece.length);
    }
    return {
      offset: start,
      length: bytes.length,
      pieces: [{ kind: 'data', offset: start, length: bytes.length, bytes }],
    };
  }

  async #place(run: PreparedRun): Promise<PendingWrite | undefined> {
    if (!this.#isPrepared) await this.parts.prepare?.();
    this.#isPrepared = true;
    if (this.parts.map.isCrowded) await this.#commit();
    const writes = new HostWrites();
    await this.#placer.place(run, writes);
    if (writes.isEmpty) return undefined;
    this.#inFlight++;
    const write = () => this.#write(writes);
    if (this.unit === this.parts.map.blockSize) return write;
    // The first run in a block also writes what follows it there: the next one must not overtake it.
    await write();
    return undefined;
  }

  #write(writes: HostWrites): MaybePromise<void> {
    const ended = () => {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#onIdle?.();
    };
    try {
      const written = writes.write(this.parts.source, this.parts.kernels);
      if (isPending(written)) return written.finally(ended);
    } catch (error) {
      ended();
      throw error;
    }
    ended();
  }

  async #commit(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      this.#onIdle = null;
    }
    if (this.parts.flush) await this.parts.source.flush();
    if (this.parts.beforeTables !== undefined) {
      await this.parts.beforeTables();
      if (this.parts.flush) await this.parts.source.flush();
    }
    await this.parts.map.commit();
    await this.parts.afterCommit?.();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    // A failure before is told to whoever asked for that work.
    const mine = this.#turn.catch(() => {}).then(work);
    this.#turn = mine;
    return mine;
  }
}
