/**
 * Writing less than a cluster.
 *
 * A part of a cluster is written where it lies if that is plain data of the active disk alone. Elsewhere the cluster is
 * written as a whole, with what was there before around the part; or, where its subclusters (extended L2 entries) can
 * be had one by one, the subclusters that the part touches.
 */
import { roundDown, roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { Image } from '../../image/image.js';
import type { Piece } from '../../kernels/kernels.js';
import { clearStore } from './encryption.js';
import type { QcowImage } from './image.js';
import { SUBCLUSTERS } from './layout.js';
import type { WritingParts } from './parts.js';
import { perform } from './steps.js';

type DataPiece = Extract<Piece, { kind: 'data' }>;

/** What this needs of the editor. */
export interface PartWriting {
  readonly image: QcowImage;
  readonly writing: WritingParts;
  /** As `EditRequest.backing`. */
  openBacking(): Promise<Image | null>;
  /** Guest bytes [start, end) are going to change in place. */
  note(start: number, end: number): void;
  /** Places whole clusters and writes them. */
  placeWhole(piece: DataPiece): Promise<void>;
  /** Places whole subclusters, whose cluster takes them as they are, and writes them. */
  placePart(piece: DataPiece): Promise<void>;
}

export class PartWriter {
  readonly #clusterSize: number;

  constructor(private readonly work: PartWriting) {
    this.#clusterSize = work.image.clusterSize;
  }

  /** Writes `bytes`: whole clusters as they are, parts of clusters as told above. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const end = offset + bytes.length;
    const part = (from: number, to: number) => bytes.subarray(from - offset, to - offset);
    const first = Math.min(end, roundUp(offset, this.#clusterSize));
    const last = end === this.work.image.size ? end : Math.max(first, roundDown(end, this.#clusterSize));
    if (first > offset) await this.#writePart(offset, part(offset, first));
    if (last > first) await this.work.placeWhole(dataPiece(first, part(first, last)));
    if (end > last) await this.#writePart(last, part(last, end));
  }

  /** Whether there are only zeros already in [start, end), a part of a cluster. */
  async isZero(start: number, end: number): Promise<boolean> {
    const { map, backing } = this.work.image;
    const runs = await map.all(start, end);
    return runs.every(({ kind }) => kind === 'zero' || (kind === 'unallocated' && backing === null));
  }

  /** What the guest sees, the backing file's content included. */
  async readThrough(offset: number, length: number): Promise<Uint8Array> {
    const { image } = this.work;
    const bytes = new Uint8Array(length);
    await image.read(offset, bytes);
    if (image.backing === null) return bytes;
    for (const { kind, start, length: count } of await image.map.all(offset, offset + length)) {
      if (kind === 'unallocated')
        await this.#readBacking(start, bytes.subarray(start - offset, start - offset + count));
    }
    return bytes;
  }

  /** @param offset,bytes within one cluster */
  async #writePart(offset: number, bytes: Uint8Array): Promise<void> {
    const host = await this.#hostInPlace(offset, bytes.length);
    if (host !== null) {
      this.work.note(offset, offset + bytes.length);
      const { data, cipher } = this.work.writing;
      const clear = clearStore(data, cipher, offset, host);
      await clear.store.write(clear.offset, bytes);
    } else if (await this.#takesParts(offset)) {
      await this.work.placePart(await this.#filledUp(offset, bytes, this.#clusterSize / SUBCLUSTERS));
    } else await this.work.placeWhole(await this.#filledUp(offset, bytes, this.#clusterSize));
  }

  /** The bytes with what is around them, up to multiples of `grain` or the disk's end. */
  async #filledUp(offset: number, bytes: Uint8Array, grain: number): Promise<DataPiece> {
    const start = roundDown(offset, grain);
    const end = Math.min(roundUp(offset + bytes.length, grain), this.work.image.size);
    if (end - start === bytes.length) return dataPiece(offset, bytes);
    const around = await this.readThrough(start, end - start);
    around.set(bytes, offset - start);
    return dataPiece(start, around);
  }

  /** Where a part of a cluster lies if it is plain data that may be overwritten. */
  async #hostInPlace(offset: number, length: number): Promise<number | null> {
    const { image, writing } = this.work;
    const runs = await image.map.all(offset, offset + length);
    if (runs.length !== 1 || runs[0]!.kind !== 'data') return null;
    const table = await perform(writing.clusterTables.table(offset));
    const cluster = Math.floor(offset / this.#clusterSize);
    const row = await perform(writing.clusterTables.row(table, cluster, 1));
    return row.host === null ? null : row.host + (offset % this.#clusterSize);
  }

  async #takesParts(offset: number): Promise<boolean> {
    const { clusterTables, cipher } = this.work.writing;
    // Encryption by the place in the guest's disk is done for whole clusters.
    if (!clusterTables.isExtended || (cipher !== null && !cipher.byHost)) return false;
    const table = await perform(clusterTables.table(offset));
    return perform(clusterTables.takesParts(table, Math.floor(offset / this.#clusterSize)));
  }

  async #readBacking(offset: number, into: Uint8Array): Promise<void> {
    const backing = await this.work.openBacking();
    if (backing === null) {
      const { name } = this.work.image.backing!;
      throw new ImageError('invalid', `Writing less than a cluster needs the backing file '${name}'`);
    }
    const length = Math.min(into.length, backing.size - offset);
    if (length > 0) await backing.read(offset, into.subarray(0, length));
  }
}

function dataPiece(offset: number, bytes: Uint8Array): DataPiece {
  return { kind: 'data', offset, length: bytes.length, bytes };
}
