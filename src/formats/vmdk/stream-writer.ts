/**
 * Writing stream-optimized images as VMware does it: front to back, without a look back.
 *
 *     header | descriptor | grain grain … table | grain … table | directory | footer | end of stream
 *
 * Each grain, table and directory has a marker before it. A grain table follows the grains that it leads to; the header
 * says that the directory is at the end, and the footer where.
 */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { HostWrites } from '../../image/host-writes.js';
import type { ImageWriter, PendingWrite, PreparedRun } from '../../image/image.js';
import type { Kernels, Piece, UnitEncoding } from '../../kernels/kernels.js';
import type { ByteStore } from '../../storage/storage.js';
import {
  AT_END,
  COMPRESSION_DEFLATE,
  FLAG,
  GRAIN_MARKER,
  HEADER,
  type Header,
  MARKER,
  METADATA_MARKER,
  SECTOR,
  ZERO_GRAIN,
} from './layout.js';
import { commonHeader, ENTRIES_PER_TABLE, flagsFor, GRAIN, writeDescriptor, writeHeader } from './new-sparse.js';
import { storedStream } from './stored.js';

/** Sectors before the first grain. */
const OVERHEAD = 128;
const LAST_SECTOR = 0xffff_ffff;

export interface StreamRequest {
  /** Bytes of disk. */
  size: number;
  level: number;
  zeroGrains: boolean;
  hasBacking: boolean;
  flush: boolean;
  kernels: Kernels;
  descriptor(): Uint8Array;
}

export class StreamWriter implements ImageWriter {
  readonly size: number;
  readonly unit = GRAIN;
  readonly encoding: UnitEncoding;
  readonly unordered = false;
  readonly readsZero: boolean;
  readonly #space = new AppendSpace(OVERHEAD * SECTOR);
  /** Sectors of the grain tables that are written. */
  readonly #directory: Uint32Array;
  /** The table that is being filled, and its number. */
  #table = new Uint32Array(ENTRIES_PER_TABLE);
  #tableIndex = 0;
  #isTableEmpty = true;

  constructor(
    private readonly store: ByteStore,
    private readonly request: StreamRequest,
  ) {
    const { size, level, hasBacking } = request;
    this.size = size;
    this.encoding = { codec: 'zlib', unit: GRAIN, level, window: 32768, limit: GRAIN };
    this.readsZero = !hasBacking;
    this.#directory = new Uint32Array(Math.ceil(size / (GRAIN * ENTRIES_PER_TABLE)));
  }

  place(run: PreparedRun): PendingWrite | undefined {
    const writes = new HostWrites();
    for (const piece of run.pieces) this.#placePiece(piece, writes);
    return this.#pending(writes);
  }

  /** The rest of the stream, then the header that makes it one. */
  async finish(): Promise<void> {
    const { store, request } = this;
    const end = new HostWrites();
    this.#endTable(end);
    const directory = this.#appendTable(MARKER.grainDirectory, this.#directory, end);
    const header = { ...streamHeader(request), directory: BigInt(directory) };
    this.#appendMarker(MARKER.footer, 1, end);
    end.add(this.#space.take(SECTOR, SECTOR), serialize(header));
    this.#appendMarker(MARKER.endOfStream, 0, end);
    await end.write(store, request.kernels);
    if (store.readsZero || store.size < this.#space.end) await store.truncate(this.#space.end);
    else await store.zero(0, OVERHEAD * SECTOR);
    if (request.flush) await store.flush();
    await writeDescriptor(store, request.descriptor());
    // a device may be longer than the stream: nobody would find the footer there
    await writeHeader(store, store.size === this.#space.end ? streamHeader(request) : header);
    if (request.flush) await store.flush();
  }

  close(): Promise<void> {
    return this.store.close();
  }

  #pending(writes: HostWrites): PendingWrite | undefined {
    return writes.isEmpty ? undefined : () => writes.write(this.store, this.request.kernels);
  }

  /** Pieces of data may be longer than a grain; they begin where one does. */
  #placePiece(piece: Piece, writes: HostWrites): void {
    const { offset, length } = piece;
    if (piece.kind === 'packed') this.#placeGrain(offset, piece.bytes, writes);
    if (piece.kind === 'packed' || (piece.kind === 'zero' && this.readsZero)) return;
    for (let at = 0; at < length; at += GRAIN) {
      const bytes = piece.kind === 'data' ? piece.bytes.subarray(at, at + GRAIN) : new Uint8Array(0);
      if (piece.kind === 'zero' && this.request.zeroGrains) this.#enter(offset + at, ZERO_GRAIN, writes);
      else this.#placeGrain(offset + at, storedStream(bytes, GRAIN), writes);
    }
  }

  #placeGrain(offset: number, stream: Uint8Array, writes: HostWrites): void {
    this.#turnTo(offset, writes);
    const marker = new Uint8Array(GRAIN_MARKER.size);
    GRAIN_MARKER.write(marker, { sector: offset / SECTOR, size: stream.length });
    const length = marker.length + stream.length;
    const host = this.#space.take(roundUp(length, SECTOR), SECTOR);
    writes.add(host, marker);
    writes.add(host + marker.length, stream);
    writes.add(host + length, new Uint8Array(roundUp(length, SECTOR) - length));
    this.#enter(offset, this.#sectorOf(host), writes);
  }

  #enter(offset: number, entry: number, writes: HostWrites): void {
    this.#turnTo(offset, writes);
    this.#table[(offset / GRAIN) % ENTRIES_PER_TABLE] = entry;
    this.#isTableEmpty = false;
  }

  /** Grains come in the order of the disk: the table before is complete. */
  #turnTo(offset: number, writes: HostWrites): void {
    const index = Math.floor(offset / (GRAIN * ENTRIES_PER_TABLE));
    if (index === this.#tableIndex) return;
    this.#endTable(writes);
    this.#tableIndex = index;
  }

  #endTable(writes: HostWrites): void {
    if (this.#isTableEmpty) return;
    this.#directory[this.#tableIndex] = this.#appendTable(MARKER.grainTable, this.#table, writes);
    this.#table.fill(0);
    this.#isTableEmpty = true;
  }

  /** Returns the sector at which the table begins. */
  #appendTable(type: number, table: Uint32Array, writes: HostWrites): number {
    const bytes = new Uint8Array(roundUp(table.length * 4, SECTOR));
    const view = new DataView(bytes.buffer);
    for (const [index, entry] of table.entries()) view.setUint32(index * 4, entry, true);
    this.#appendMarker(type, bytes.length / SECTOR, writes);
    const host = this.#space.take(bytes.length, SECTOR);
    writes.add(host, bytes);
    return this.#sectorOf(host);
  }

  #appendMarker(type: number, sectors: number, writes: HostWrites): void {
    const bytes = new Uint8Array(SECTOR);
    METADATA_MARKER.write(bytes, { sectors: BigInt(sectors), type });
    writes.add(this.#space.take(SECTOR, SECTOR), bytes);
  }

  #sectorOf(host: number): number {
    if (host / SECTOR > LAST_SECTOR)
      throw new ImageError('no-space', 'The image has reached the limit of 2 TiB', { file: this.store.name });
    return host / SECTOR;
  }
}

function streamHeader({ size, zeroGrains }: StreamRequest): Header {
  return {
    ...commonHeader(size),
    version: 3,
    flags: FLAG.newlines | flagsFor(true, zeroGrains),
    directory: AT_END,
    overhead: BigInt(OVERHEAD),
    compression: COMPRESSION_DEFLATE,
  };
}

function serialize(header: Header): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  HEADER.write(bytes, header);
  return bytes;
}
