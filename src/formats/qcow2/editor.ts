/**
 * Changing a qcow2 image in place.
 *
 * **Crash safety is the order of writes.** Between two *commits* the file's metadata does not change: new tables, new
 * entries and new refcounts stay in memory, and data goes to clusters that nothing in the file refers to, or over data
 * that is being replaced anyway. A commit waits for the data that is on its way and then writes, in this order:
 *
 *     refcount blocks, refcount table, header (if the refcount table moved)
 *     L2 tables
 *     L1 table
 *
 * so whatever is referred to is complete and counted before the reference is. Only then are clusters freed that the
 * file referred to until now: reusing one earlier could destroy content that an interrupted run would need. A crash
 * leaves counts that are too high (leaks), never too low.
 *
 * A commit comes when tables fill half of their cache, when many clusters wait to be freed, and at the end.
 */
import { roundDown, roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { type CheckEvents, NO_EVENTS } from '../../image/check.js';
import type { EditRequest } from '../../image/driver.js';
import { HostWrites } from '../../image/host-writes.js';
import type {
  BackingReference,
  BitmapInfo,
  BitmapStretch,
  EditableImage,
  NewSnapshot,
  PendingWrite,
  PreparedRun,
  ResizeRequest,
  SnapshotInfo,
} from '../../image/image.js';
import type { Piece, UnitEncoding } from '../../kernels/kernels.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink } from '../../storage/storage.js';
import type { Bitmap } from './bitmaps.js';
import { BitmapTracker } from './bitmaps-track.js';
import { BitmapStore } from './bitmaps-write.js';
import { canReset, dropClusters, resetImage } from './empty.js';
import { hasDataFile, hasExtendedL2, serializeHeader } from './header.js';
import { QcowImage, type QcowParts } from './image.js';
import { AUTOCLEAR, LIMITS, SUBCLUSTERS } from './layout.js';
import { PartWriter } from './part-writes.js';
import { dataSink, encodingOf, runToPlace, unitOf, type WritingParts } from './parts.js';
import { PlacedWrites } from './placed-writes.js';
import { type ResizingEditor, resizeDisk } from './resize.js';
import { RunPlacer } from './run-placer.js';
import { SnapshotEditor } from './snapshot-edit.js';
import type { Snapshot } from './snapshots.js';
import { perform, type Steps, settle } from './steps.js';

/** Stretches of clusters that may wait to be freed. */
const MOST_HELD = 4096;
/** Bytes that `write` places at once. */
const CHUNK = 2 * 1024 * 1024;
const SECTOR = 512;

export class QcowEditor extends QcowImage implements EditableImage {
  readonly unit: number;
  readonly subclusterSize: number;
  readonly encoding: UnitEncoding | null;
  readonly unordered = false;
  readonly readsZero = false;
  readonly #runs: RunPlacer;
  readonly #bitmapStore: BitmapStore;
  readonly #tracker: BitmapTracker;
  readonly #sink: ByteSink;
  readonly #placed = new PlacedWrites();
  readonly #partWriter: PartWriter;
  readonly #snapshots: SnapshotEditor;
  /** The file no longer has features that a change makes untrue. */
  #isPrepared = false;
  /** The bitmaps say that the disk's content is being changed. */
  #isTracked = false;
  #refcountTableOffset: number;
  /** Operations wait here for their turn; null: nobody is at work. */
  #turn: Promise<unknown> | null = null;

  constructor(
    parts: QcowParts,
    private readonly writing: WritingParts,
    private readonly request: EditRequest,
    events: CheckEvents = NO_EVENTS,
  ) {
    super(parts);
    const { header, clusterTables, refcounts, placer, space, dataSpace } = writing;
    this.#sink = dataSink(writing);
    this.unit = unitOf(header);
    this.subclusterSize = this.clusterSize / (hasExtendedL2(header) ? SUBCLUSTERS : 1);
    this.encoding = request.compress ? encodingOf(header, null) : null;
    this.#bitmapStore = new BitmapStore(writing, parts.bitmaps);
    this.#tracker = new BitmapTracker(writing, this.#bitmapStore, parts.bitmaps);
    const rules = {
      readsZero: false,
      hasBacking: header.backingFile !== null || request.hidesBacking === true,
      compresses: request.compress,
      version: header.version,
      isDataRaw: (header.autoclearFeatures & AUTOCLEAR.rawData) !== 0n,
    };
    this.#runs = new RunPlacer(rules, clusterTables, refcounts, placer, space, dataSpace, () => this.#makeRoom());
    this.#refcountTableOffset = header.refcountTableOffset;
    refcounts.holdFreed();
    const editing = {
      parts: writing,
      commit: () => this.#commit(),
      pause: () => this.#makeRoom(),
      onSize: (size: number) => {
        this.size = size;
      },
      events,
      fail: (error: unknown) => this.#placed.fail(error),
    };
    this.#partWriter = new PartWriter({
      image: this,
      writing,
      openBacking: async () => (await request.backing?.()) ?? null,
      note: (start, end) => this.#tracker.note(start, end),
      placeWhole: (piece) => this.#placeAndWrite(piece),
      placePart: (piece) => this.#placeAndWrite(piece, true),
    });
    this.#snapshots = new SnapshotEditor(editing, parts.snapshots);
  }

  place(run: PreparedRun): MaybePromise<PendingWrite | undefined> {
    if (this.#turn === null && this.#isTracked) return this.#place(run);
    return this.#inTurn(async () => {
      await this.#track();
      return this.#place(run);
    });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#check(offset, bytes.length);
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, roundDown(offset + at, CHUNK) + CHUNK - offset);
      await this.#inTurn(() => this.#partWriter.write(offset + at, bytes.subarray(at, end)));
      at = end;
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#check(offset, length);
    const end = offset + length;
    const first = Math.min(end, roundUp(offset, this.clusterSize));
    const last = end === this.size ? end : Math.max(first, roundDown(end, this.clusterSize));
    await this.#zeroPart(offset, first);
    await this.#inTurn(() => this.#placeAndWrite({ kind: 'zero', offset: first, length: last - first }));
    await this.#zeroPart(last, end);
  }

  async addBitmap(bitmap: BitmapInfo, content: AsyncIterable<BitmapStretch>): Promise<void> {
    await this.#inTurn(async () => {
      // The others are marked where they lie, which has no room for one more.
      await this.#track();
      await this.#bitmapStore.add(bitmap, content);
    });
  }

  /** What was written before comes to the file before the name does. */
  async setBacking(reference: BackingReference | null): Promise<void> {
    await this.#inTurn(async () => {
      const { header } = this.writing;
      if (reference !== null) this.#checkBackingName(reference.name);
      const changed = {
        ...header,
        backingFile: reference?.name ?? null,
        extensions: { ...header.extensions, backingFormat: reference?.format ?? null },
      };
      const bytes = serializeHeader(changed);
      await this.#commit();
      if (this.request.flush) await this.#flushStores();
      Object.assign(header, changed);
      await this.writing.store.write(0, bytes);
    });
  }

  override get bitmaps(): readonly Bitmap[] | undefined {
    return this.writing.header.version < 3 ? undefined : this.#bitmapStore.all;
  }

  async resize(size: number, request: ResizeRequest): Promise<void> {
    const editor: ResizingEditor = {
      parts: this.writing,
      map: this.map,
      tracker: this.#tracker,
      inTurn: (work) => this.#inTurn(work),
      read: (offset, into) => this.read(offset, into),
      readThrough: (offset, length) => this.#partWriter.readThrough(offset, length),
      write: (offset, bytes) => this.write(offset, bytes),
      zero: (offset, length) => this.zero(offset, length),
      setSize: (bytes) => {
        this.size = bytes;
      },
      commit: () => this.#commit(),
      writeHeader: () => this.#writeHeader(),
      pause: () => this.#makeRoom(),
    };
    await resizeDisk(editor, this.parts.bitmaps, size, request);
  }

  override get snapshots(): readonly Snapshot[] {
    return this.#snapshots.entries;
  }

  createSnapshot(request: NewSnapshot): Promise<SnapshotInfo> {
    return this.#inTurn(() => this.#snapshots.create(request));
  }

  async applySnapshot(idOrName: string): Promise<void> {
    if ((this.bitmaps?.length ?? 0) > 0) throw new ImageError('unsupported', 'Device has active dirty bitmaps');
    await this.#inTurn(() => this.#snapshots.apply(idOrName));
  }

  deleteSnapshot(snapshot: SnapshotInfo): Promise<void> {
    return this.#inTurn(() => this.#snapshots.remove(snapshot));
  }

  async empty(): Promise<void> {
    await this.#inTurn(async () => {
      const { store, header, clusterTables } = this.writing;
      await this.#commit();
      if (canReset(header)) return resetImage(store, header);
      await perform(dropClusters(header, clusterTables, () => this.#makeRoom()));
      await this.#finish();
    });
  }

  #checkBackingName(name: string): void {
    const isDataRaw = (this.writing.header.autoclearFeatures & AUTOCLEAR.rawData) !== 0n;
    if (isDataRaw || new TextEncoder().encode(name).length > LIMITS.backingName)
      throw new ImageError('invalid', 'Invalid argument');
  }

  async flush(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#commit();
      await this.#flushStores();
    });
  }

  async finish(): Promise<void> {
    await this.#inTurn(() => this.#finish());
  }

  async #finish(): Promise<void> {
    const { store, data, space, dataSpace, blocks, refcounts } = this.writing;
    await this.#commit();
    await this.#tracker.finish();
    if (await this.#bitmapStore.finish()) {
      await this.#commit();
      await this.#writeHeader();
    }
    await perform(refcounts.releaseFreed());
    await blocks.flush(undefined, 'refblock_update_part');
    await perform(refcounts.writeTable());
    if (this.request.compress) space.reach(roundUp(space.end, SECTOR));
    if (store.size < space.end) await store.truncate(space.end);
    if (data !== store && data.size < dataSpace.end) await data.truncate(dataSpace.end);
    if (this.request.flush) await this.#flushStores();
  }

  /** Before the first change: features that a change makes untrue are dropped. */
  async #prepare(): Promise<void> {
    const { header } = this.writing;
    const known = header.autoclearFeatures & (AUTOCLEAR.bitmaps | AUTOCLEAR.rawData);
    if (known !== header.autoclearFeatures) {
      header.autoclearFeatures = known;
      await this.#writeHeader();
    }
    this.#isPrepared = true;
  }

  /** Before the first change of the disk's content. What is refused before has harmed no bitmap. */
  async #track(): Promise<void> {
    if (this.#isTracked) return;
    await this.#tracker.start();
    this.#isTracked = true;
  }

  /** Runs `work` when all that came before it is done. */
  async #inTurn<T>(work: () => MaybePromise<T>): Promise<T> {
    const before = this.#turn;
    const mine = (async () => {
      // A failure before is told to whoever asked for that work.
      await before?.catch(() => {});
      if (!this.#isPrepared) await this.#prepare();
      return work();
    })();
    this.#turn = mine;
    try {
      return await mine;
    } finally {
      if (this.#turn === mine) this.#turn = null;
    }
  }

  /** @param isPart as for `RunPlacer.placePart` */
  #place(run: PreparedRun, isPart = false): MaybePromise<PendingWrite | undefined> {
    const writes = new HostWrites();
    try {
      const placed = perform(this.#placeSteps(run, isPart, writes));
      if (isPending(placed))
        return placed.then(
          () => this.#pendingWrite(writes),
          (error) => this.#placed.fail(error),
        );
    } catch (error) {
      this.#placed.fail(error);
    }
    return this.#pendingWrite(writes);
  }

  async #placeAndWrite(piece: Piece, isPart = false): Promise<void> {
    const { offset, length } = piece;
    if (length === 0) return;
    await this.#track();
    const write = await this.#place({ offset, length, pieces: [piece] }, isPart);
    await write?.();
  }

  /** Zeros in a part of a cluster; nothing to do where there are only zeros. */
  async #zeroPart(start: number, end: number): Promise<void> {
    if (start >= end) return;
    if (this.request.hidesBacking === true || !(await this.#partWriter.isZero(start, end)))
      await this.write(start, new Uint8Array(end - start));
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.writing.store.name, offset });
  }

  *#placeSteps(run: PreparedRun, isPart: boolean, writes: HostWrites): Steps<void> {
    yield* this.#makeRoom();
    this.#refuseStreams(run);
    this.#tracker.note(run.offset, run.offset + run.length);
    const placed = runToPlace(this.writing, run);
    yield* isPart ? this.#runs.placePart(placed, writes) : this.#runs.place(placed, writes);
  }

  /** A data file holds clusters at their own places only: a stream there would be over somebody else's. */
  #refuseStreams({ pieces }: PreparedRun): void {
    if (!this.request.compress || !hasDataFile(this.writing.header)) return;
    if (pieces.some(({ kind }) => kind !== 'zero')) throw new ImageError('unsupported', 'Operation not supported');
  }

  #pendingWrite(writes: HostWrites): PendingWrite | undefined {
    if (writes.isEmpty) return undefined;
    const { kernels } = this.writing;
    return this.#placed.add(() => writes.write(this.#sink, kernels));
  }

  /** Commits if memory demands it. */
  *#makeRoom(): Steps<void> {
    const { tables, blocks, refcounts } = this.writing;
    if (tables.isCrowded || blocks.isCrowded || refcounts.held > MOST_HELD) yield* settle(this.#commit());
  }

  /** Brings the file's metadata up to what was placed; see above for the order. */
  async #commit(): Promise<void> {
    const { store, tables, blocks, refcounts, clusterTables, header } = this.writing;
    await this.#placed.settled();
    await perform(refcounts.closeRun());
    if (this.request.flush) await this.#flushStores();
    await blocks.flush(undefined, 'refblock_update_part');
    await perform(refcounts.writeTable());
    if (header.refcountTableOffset !== this.#refcountTableOffset) {
      this.#refcountTableOffset = header.refcountTableOffset;
      await this.#writeHeader();
    }
    await tables.flush((offset) => !clusterTables.isL1(offset), 'l2_update');
    if (this.request.flush) await store.flush();
    await tables.flush(undefined, 'l1_update');
    if (this.request.flush && refcounts.held > 0) await store.flush();
    this.forgetPacked();
    await perform(refcounts.releaseFreed());
  }

  async #writeHeader(): Promise<void> {
    const { store, header } = this.writing;
    await store.write(0, serializeHeader(header));
  }

  async #flushStores(): Promise<void> {
    const { store, data } = this.writing;
    if (data !== store) await data.flush();
    await store.flush();
  }
}
