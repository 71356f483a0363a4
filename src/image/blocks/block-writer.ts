/** Filling a new block-mapped image: blocks are appended as they come, tables follow, the header comes last. */
import type { SectorCipher } from '../../crypto/sector-cipher.js';
import type { Kernels, UnitEncoding } from '../../kernels/kernels.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteStore } from '../../storage/storage.js';
import { HostWrites } from '../host-writes.js';
import type { ImageWriter, PendingWrite, PreparedRun } from '../image.js';
import type { WritableBlockMap } from './block-map.js';
import { BlockPlacer, type PlacingRules } from './block-placer.js';

/** Runs of blocks larger than this end within a block. */
const LARGEST_UNIT = 1024 * 1024;

/** Bytes on whose multiples runs are cut. */
export function unitOf(blockSize: number): number {
  return Math.min(blockSize, LARGEST_UNIT);
}

export interface BlockWriterParts {
  readonly store: ByteStore;
  readonly kernels: Kernels;
  readonly map: WritableBlockMap;
  /** Guest disk in bytes. */
  readonly size: number;
  readonly encoding: UnitEncoding | null;
  /** As in `BlockImageParts`. */
  readonly cipher?: SectorCipher | null;
  /** It has a backing file: what is not placed shows it. */
  readonly hasBacking: boolean;
  readonly flush: boolean;
  /** After all tables: sets the file's length and writes what makes the image valid. */
  complete(): Promise<void>;
}

export class BlockWriter implements ImageWriter {
  readonly size: number;
  readonly unit: number;
  readonly encoding: UnitEncoding | null;
  readonly unordered = false;
  readonly readsZero: boolean;
  readonly #placer: BlockPlacer;
  /** The first run in a block also writes what follows it there, so the next one must wait. */
  readonly #writesInTurn: boolean;

  constructor(protected readonly parts: BlockWriterParts) {
    const { map, size, encoding, cipher = null, hasBacking, store } = parts;
    this.size = size;
    this.unit = hasBacking || encoding !== null || cipher !== null ? map.blockSize : unitOf(map.blockSize);
    this.encoding = encoding;
    this.readsZero = !hasBacking;
    this.#writesInTurn = this.unit < map.blockSize && !store.readsZero;
    const rules: PlacingRules = {
      readsZero: this.readsZero,
      // Zeros that are encrypted are none.
      freshSpace: store.readsZero && cipher === null,
      hasBacking,
      size: () => size,
      // runs consist of whole blocks wherever a backing file could show
      readAround: (_offset, into) => {
        into.fill(0);
      },
      cipher,
    };
    this.#placer = new BlockPlacer(rules, map);
  }

  place(run: PreparedRun): MaybePromise<PendingWrite | undefined> {
    const { store, kernels, map } = this.parts;
    const writes = new HostWrites();
    const pending = () => (writes.isEmpty ? undefined : () => writes.write(store, kernels));
    const placed = this.#placer.place(run, writes);
    if (this.#writesInTurn) return this.#writeNow(placed, writes);
    if (isPending(placed) || map.isCrowded) return this.#settle(placed).then(pending);
    return pending();
  }

  async #writeNow(placed: MaybePromise<void>, writes: HostWrites): Promise<undefined> {
    await this.#settle(placed);
    await writes.write(this.parts.store, this.parts.kernels);
  }

  async finish(): Promise<void> {
    const { store, map, flush } = this.parts;
    await map.commit();
    if (flush) await store.flush();
    await this.parts.complete();
    if (flush) await store.flush();
  }

  close(): Promise<void> {
    return this.parts.store.close();
  }

  /** A new image is not valid before its end, so its tables may be written whenever there are many. */
  async #settle(placed: MaybePromise<void>): Promise<void> {
    await placed;
    if (this.parts.map.isCrowded) await this.parts.map.commit();
  }
}
