/**
 * The image file while its metadata are changed.
 *
 * As in any change in place, what is referred to is counted and complete before the reference is on disk, and what was
 * given up is freed after the reference is gone: an interrupted change leaves leaks at worst.
 */
import type { ImageError } from '../../errors.js';
import type { CheckEvents } from '../../image/check.js';
import { markCorrupt } from './corruption.js';
import { serializeHeader } from './header.js';
import { type WritingParts, writingParts } from './parts.js';
import { ProtectedRanges } from './protected.js';
import type { Snapshot } from './snapshots.js';
import { perform } from './steps.js';

/** Stretches of clusters that may wait to be freed. */
const MOST_HELD = 4096;

export class MetadataFile {
  #refcountTableOffset: number;

  constructor(
    public writing: WritingParts,
    readonly snapshots: readonly Snapshot[],
    /** Each step is to be on disk before the next one begins. */
    private readonly flushes: boolean,
    private readonly events?: CheckEvents,
  ) {
    this.#refcountTableOffset = writing.header.refcountTableOffset;
    writing.refcounts.holdFreed();
  }

  get header(): WritingParts['header'] {
    return this.writing.header;
  }

  /** The refcount structures are other ones from now on, as the header says. */
  async adoptRefcounts(refcountTable: Float64Array): Promise<void> {
    const { header, store, data, kernels, cipher } = this.writing;
    this.writing = writingParts({ header, store, data, kernels, refcountTable, inPlace: true, cipher });
    this.writing.refcounts.protect(await ProtectedRanges.of(store, header, this.snapshots, refcountTable, this.events));
    this.writing.refcounts.holdFreed();
    this.#refcountTableOffset = header.refcountTableOffset;
  }

  async writeHeader(): Promise<void> {
    const { store, header } = this.writing;
    const bytes = serializeHeader(header);
    await this.flush();
    await store.write(0, bytes);
    await this.flush();
  }

  /** Brings refcounts to disk, then tables, then frees what they no longer refer to. */
  async settle(): Promise<void> {
    await this.#settleAround(async () => {
      await this.writing.tables.flush();
      await this.flush();
    });
  }

  /** Brings refcounts to disk, then the header, then frees what that no longer refers to. */
  async settleHeader(): Promise<void> {
    await this.#settleAround(() => this.writeHeader());
  }

  async #settleAround(change: () => Promise<void>): Promise<void> {
    const { refcounts, store, space } = this.writing;
    await this.#settleRefcounts();
    // Clusters of zeros at the end are there because the file is so long.
    if (store.size < space.end) await store.truncate(space.end);
    await change();
    if (refcounts.held === 0) return;
    await perform(refcounts.releaseFreed());
    await this.#settleRefcounts();
  }

  /** `settle`, if memory demands it. */
  async makeRoom(): Promise<void> {
    const { tables, blocks, refcounts } = this.writing;
    if (tables.isCrowded || blocks.isCrowded || refcounts.held > MOST_HELD) await this.settle();
  }

  /** The metadata contradict themselves: the image is marked as corrupt. Returns the failure to throw. */
  async signalCorruption(message: string): Promise<ImageError> {
    const failure = await markCorrupt(this.writing.store, this.writing.header, message, this.events);
    await this.flush();
    return failure;
  }

  /** A failure besides the one that is thrown. */
  tellTrouble(message: string): void {
    this.events?.onTrouble(message);
  }

  async flush(): Promise<void> {
    if (this.flushes) await this.writing.store.flush();
  }

  async #settleRefcounts(): Promise<void> {
    const { blocks, refcounts, header } = this.writing;
    await perform(refcounts.closeRun());
    await this.flush();
    await blocks.flush();
    await perform(refcounts.writeTable());
    await this.flush();
    if (header.refcountTableOffset === this.#refcountTableOffset) return;
    this.#refcountTableOffset = header.refcountTableOffset;
    await this.writeHeader();
  }
}
