/**
 * Another size for a disk: the tables.
 *
 * At every moment what the header says is true. To grow, a larger L1 table is written before the header names it, what
 * is added gets its entries, and then the header gets the new size. To shrink, the entries of what goes are taken away,
 * then their tables, then refcount blocks that count nothing; then the header gets the new size. An interrupted run
 * leaves the old size, with leaked clusters at worst; of a disk that was to shrink, what was to go may be gone.
 */
import { roundDown, roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { GrowthPreallocation, ResizeRequest } from '../../image/image.js';
import type { MaybePromise } from '../../maybe.js';
import { changeLength } from '../../storage/length.js';
import type { ByteStore } from '../../storage/storage.js';
import type { Bitmap } from './bitmaps.js';
import type { BitmapTracker } from './bitmaps-track.js';
import { clearStore } from './encryption.js';
import { clusterSizeOf, l2CoverageOf, type QcowHeader } from './header.js';
import { AUTOCLEAR, ENTRY_SIZE, LIMITS } from './layout.js';
import type { ClusterMap } from './map.js';
import type { WritingParts } from './parts.js';
import { Placer } from './placing.js';
import { enterClusters, takeClusters } from './preallocate.js';
import { perform, type Steps, settle } from './steps.js';

const SECTOR = 512;

/** What a resize needs of the editor. */
export interface ResizingEditor {
  readonly parts: WritingParts;
  readonly map: ClusterMap;
  readonly tracker: BitmapTracker;
  /** Runs `work` when all that came before it is done; the disk's own operations are called outside of it. */
  inTurn(work: () => Promise<void>): Promise<void>;
  read(offset: number, into: Uint8Array): MaybePromise<void>;
  /** What the guest sees, the backing file's content included. */
  readThrough(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  zero(offset: number, length: number): Promise<void>;
  /** What the disk's own operations take as its size; the header's follows at the end. */
  setSize(size: number): void;
  /** Brings the file's metadata up to what was changed. */
  commit(): Promise<void>;
  writeHeader(): Promise<void>;
  /** Commits if memory demands it. */
  pause(): Steps<void>;
}

/** Gives the disk another size. Throws `invalid` or `unsupported` for what cannot be, before anything has changed. */
export async function resizeDisk(
  editor: ResizingEditor,
  bitmaps: readonly Bitmap[],
  size: number,
  request: ResizeRequest,
): Promise<void> {
  const { header } = editor.parts;
  const before = header.size;
  checkResize(header, bitmaps, size);
  if (size < before) await editor.inTurn(() => shrinkTables(editor, size, before));
  else await editor.tracker.unnoted(() => grow(editor, size, request));
  editor.setSize(size);
  await editor.inTurn(() => enterSize(editor, size));
}

function checkResize(header: QcowHeader, bitmaps: readonly Bitmap[], size: number): void {
  if (size % SECTOR !== 0) throw new ImageError('invalid', `The new size must be a multiple of ${SECTOR}`);
  if (header.snapshotCount > 0 && header.version < 3)
    throw new ImageError('unsupported', "Can't resize a v2 image which has snapshots");
  const broken = bitmaps.find(({ inUse }) => inUse);
  if (broken !== undefined) {
    const hint = 'Try block-dirty-bitmap-remove to delete this bitmap from disk';
    throw new ImageError('unsupported', `Bitmap '${broken.name}' is inconsistent and cannot be used\n${hint}`);
  }
  if (l1EntriesFor(header, size) * ENTRY_SIZE > LIMITS.l1Bytes)
    throw new ImageError('unsupported', 'Failed to grow the L1 table: File too large');
}

async function grow(
  editor: ResizingEditor,
  size: number,
  { preallocation, hidesBacking }: ResizeRequest,
): Promise<void> {
  const { header, store, data } = editor.parts;
  const before = header.size;
  const mode = preallocationFor(header, preallocation);
  await editor.inTurn(() => growL1(editor, size));
  editor.setSize(size);
  try {
    const border = Math.min(size, roundUp(before, clusterSizeOf(header)));
    if ((mode === 'falloc' || mode === 'full') && data === store)
      await editor.inTurn(() => allocateGrowth(editor, [before, size], mode, hidesBacking));
    else if (mode !== 'off') {
      if (border > before) await editor.write(before, new Uint8Array(border - before));
      await editor.inTurn(() => preallocateGrowth(editor, [border, size], mode, hidesBacking));
    } else if (hidesBacking) await editor.zero(before, size - before);
    else await clearTail(editor, before, border);
    if (data !== store && preallocation === 'off') await changeLength(data, size, 'off');
  } catch (error) {
    editor.setSize(before);
    throw error;
  }
}

/** A disk that was cut within a cluster has left in it what came behind the cut. */
async function clearTail({ map, read, write }: ResizingEditor, start: number, end: number): Promise<void> {
  if (start >= end) return;
  const runs = await map.all(start, end);
  if (!runs.some(({ kind }) => kind === 'data' || kind === 'packed')) return;
  const tail = new Uint8Array(end - start);
  await read(start, tail);
  if (tail.some((byte) => byte !== 0)) await write(start, tail.fill(0));
}

/** The header's size, and with it what depends on it: the bitmaps. */
async function enterSize({ parts, tracker, commit, writeHeader }: ResizingEditor, size: number): Promise<void> {
  const { header, store } = parts;
  const before = header.size;
  await commit();
  header.size = size;
  if (await tracker.resize(before)) await commit();
  await store.flush();
  await writeHeader();
  await store.flush();
  if (size < before) await cutTail(parts);
}

function l1EntriesFor(header: QcowHeader, size: number): number {
  return Math.ceil(size / l2CoverageOf(header));
}

/** The mode that counts: where the data file is the guest's disk, the tables have to map all of it. */
function preallocationFor(header: QcowHeader, asked: GrowthPreallocation): GrowthPreallocation {
  const isDataRaw = (header.autoclearFeatures & AUTOCLEAR.rawData) !== 0n;
  return isDataRaw && asked === 'off' ? 'metadata' : asked;
}

/** Puts a larger L1 table in place of the present one, if that is too small for a disk of `size` bytes. */
async function growL1({ parts, commit, writeHeader }: ResizingEditor, size: number): Promise<void> {
  const { header, store, tables, refcounts, space } = parts;
  const entries = l1EntriesFor(header, size);
  if (entries <= header.l1Size) return;
  const old = { offset: header.l1TableOffset, length: header.l1Size * ENTRY_SIZE };
  const clusters = Math.ceil((entries * ENTRY_SIZE) / clusterSizeOf(header));
  const offset = await perform(refcounts.allocate(clusters));
  // Now the file holds the present table as it is, and the new clusters are counted.
  await commit();
  const bytes = new Uint8Array(clusters * clusterSizeOf(header));
  if (old.length > 0) await store.read(old.offset, bytes.subarray(0, old.length));
  space.claim(offset, bytes.length);
  await store.write(offset, bytes);
  await store.flush();
  tables.discard(offset, bytes.length);
  header.l1TableOffset = offset;
  header.l1Size = entries;
  await writeHeader();
  await store.flush();
  tables.discard(old.offset, old.length);
  refcounts.unprotect(old.offset, old.length);
  await perform(refcounts.free(old.offset, old.length));
  // Nothing refers to it any more: what follows may lie there.
  await commit();
}

/**
 * Gives guest bytes [start, end), which hold nothing, places in the file. `start` is a multiple of the cluster size.
 *
 * @param hides what is in these places has to hide a backing file
 */
async function preallocateGrowth(
  work: ResizingEditor,
  [start, end]: readonly [number, number],
  mode: GrowthPreallocation,
  hides: boolean,
): Promise<void> {
  const { parts } = work;
  const { data, dataSpace } = parts;
  if (start >= end) return;
  if (mode === 'falloc' || mode === 'full') {
    await reserveSpace(data, end, mode);
    dataSpace.reach(end);
    await enterPlaces(work, [start, end], hides);
  } else if (mode === 'metadata') await enterPlaces(work, [start, end], hides);
}

/** Metadata preallocation: entries, and zeros where the storage holds something. */
async function enterPlaces(
  work: ResizingEditor,
  [start, end]: readonly [number, number],
  hides: boolean,
): Promise<void> {
  const { header, clusterTables, refcounts, data, dataSpace } = work.parts;
  const placer = new Placer(clusterTables, refcounts, dataSpace, clusterTables.coverage);
  let { untouched } = dataSpace;
  const enter = function* (at: number, stop: number, hostEnd: number): Steps<void> {
    dataSpace.reach(hostEnd);
    // No entry in the file may lead behind the file's end.
    if (data.size < dataSpace.end) yield* settle(changeLength(data, dataSpace.end, 'off'));
    yield* settle(clearPlaces(work, at, stop, untouched));
    if (hides && header.version >= 3) yield* clusterTables.hide(at, stop);
    yield* work.pause();
    untouched = dataSpace.untouched;
  };
  await perform(placer.reserve(start, end, enter));
}

/** Zeros in the places of [start, end) before host offset `untouched`. */
async function clearPlaces(
  { map, parts }: ResizingEditor,
  start: number,
  end: number,
  untouched: number,
): Promise<void> {
  const stored = Math.min(untouched, parts.data.size);
  for (let at = start; at < end; ) {
    for (const { hostOffset, length } of await map.prefix(at, end)) {
      const used = hostOffset === null ? 0 : Math.min(length, stored - hostOffset);
      if (used > 0) await parts.data.zero(hostOffset!, used);
      at += length;
    }
  }
}

/**
 * All clusters in a row, and space for them before any entry refers to it. A cluster that the disk ended in moves there
 * too, as in QEMU, so that what was added is in one piece.
 */
async function allocateGrowth(
  { parts, pause, readThrough, commit }: ResizingEditor,
  [before, end]: readonly [number, number],
  mode: 'falloc' | 'full',
  hides: boolean,
): Promise<void> {
  const { store } = parts;
  const start = roundDown(before, clusterSizeOf(parts.header));
  const head = new Uint8Array(Math.min(end, roundUp(before, clusterSizeOf(parts.header))) - start);
  head.set(await readThrough(start, before - start));
  const row = await perform(takeClusters(parts, start, end));
  const used = Math.min(row.length, store.size - row.start);
  if (used > 0) await store.zero(row.start, used);
  await reserveSpace(store, row.start + row.length, mode).catch((error) => {
    throw error instanceof ImageError ? error.prefixed('Failed to resize underlying file: ') : error;
  });
  // What the new refcount structures replaced may hold the L2 tables.
  await commit();
  if (head.length > 0) {
    const clear = clearStore(store, parts.cipher, start, row.start);
    await clear.store.write(clear.offset, head);
  }
  await perform(enterClusters(parts, [start, end], row, hides ? end : before, pause));
}

async function reserveSpace(store: ByteStore, size: number, mode: 'falloc' | 'full'): Promise<void> {
  if (size > store.size) await changeLength(store, size, mode);
}

/** Takes away what lies from `size` on. */
async function shrinkTables(work: ResizingEditor, size: number, before: number): Promise<void> {
  const { parts, commit } = work;
  const { header, store, data, dataSpace, clusterTables, refcounts } = parts;
  // Their space goes back to the file system at once.
  refcounts.discardFreed(true);
  await perform(dropClusters(work, roundUp(size, clusterSizeOf(header)), before));
  await commit();
  await perform(clusterTables.dropTables(l1EntriesFor(header, size)));
  await commit();
  await dropRefcountBlocks(parts);
  await commit();
  // What was given up is counted as free in the file before the file's end moves.
  await commit();
  refcounts.discardFreed(false);
  if (data === store) return;
  await changeLength(data, size, 'off');
  dataSpace.cut(size);
}

async function dropRefcountBlocks({ refcounts }: WritingParts): Promise<void> {
  try {
    await perform(refcounts.dropEmptyBlocks());
  } catch (error) {
    throw error instanceof ImageError ? error.prefixed('Failed to discard unused refblocks: ') : error;
  }
}

/** The entries of guest bytes [start, end), whole clusters. */
function* dropClusters({ parts, pause }: ResizingEditor, start: number, end: number): Steps<void> {
  const { clusterTables } = parts;
  const { clusterSize, coverage } = clusterTables;
  for (let guest = start; guest < end; ) {
    const stop = Math.min(end, (Math.floor(guest / coverage) + 1) * coverage);
    if ((yield* clusterTables.findTable(guest)) !== 0) {
      yield* pause();
      const table = yield* clusterTables.table(guest);
      yield* clusterTables.enterZeros(table, guest / clusterSize, Math.ceil((stop - guest) / clusterSize), false);
    }
    guest = stop;
  }
}

/** The file ends behind the last cluster in use; a device stays as long as it is. */
async function cutTail({ header, store, refcounts, space }: WritingParts): Promise<void> {
  const end = clusterSizeOf(header) * ((await perform(refcounts.lastUsed())) + 1);
  if (end >= store.size) return;
  try {
    await store.truncate(end);
    space.cut(end);
  } catch (error) {
    if (!(error instanceof ImageError) || error.code !== 'invalid') throw error;
  }
}
