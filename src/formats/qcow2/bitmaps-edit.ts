/**
 * Changing the bitmaps of an image.
 *
 * New contents and a new directory go to free clusters; one write of the header changes over to them, and what it no
 * longer refers to is freed. So an interrupted change leaves the bitmaps as they were, and leaks at worst.
 */
import { isPowerOfTwo } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { type BitmapEditor, type BitmapSource, lostBitmaps, UNNAMED_NODE } from '../../image/bitmap-edit.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import type { BitmapInfo, BitmapStretch } from '../../image/image.js';
import type { ByteStore } from '../../storage/storage.js';
import { type Bitmap, bitmapStretches } from './bitmaps.js';
import { type BitmapContent, markedRanges, nothingMarked, withRanges } from './bitmaps-merge.js';
import { BitmapStore, constraintViolation } from './bitmaps-write.js';
import { openToWrite, type WritableQcow2 } from './edit.js';
import { clusterSizeOf } from './header.js';
import { QcowImage } from './image.js';
import { AUTOCLEAR, LIMITS } from './layout.js';
import { MetadataFile } from './metadata-file.js';

const SMALLEST_DEFAULT = 4096;
const LARGEST_DEFAULT = 65536;

type StoredContent = (bitmap: Bitmap) => AsyncIterable<BitmapStretch>;

/** A bitmap as it is to be. */
interface EditedBitmap {
  info: BitmapInfo;
  /** As the image has it; null: it is new. */
  stored: Bitmap | null;
  /** null: what is stored. */
  content: BitmapContent | null;
}

/** Opens the image in `store` to change its bitmaps. Throws as opening for writing does. */
export async function editBitmaps(
  store: ByteStore,
  request: EditRequest,
  context: DriverContext,
): Promise<BitmapEditor> {
  return new QcowBitmapEditor(await openToWrite(store, request, context), request.flush);
}

class QcowBitmapEditor extends QcowImage implements BitmapEditor {
  readonly #file: MetadataFile;
  readonly #edited: EditedBitmap[];
  readonly #removed: Bitmap[] = [];

  constructor({ parts, writing }: WritableQcow2, flushes: boolean) {
    super(parts);
    this.#file = new MetadataFile(writing, parts.snapshots, flushes);
    this.#edited = parts.bitmaps.map((stored) => ({ info: stored, stored, content: null }));
  }

  override get bitmaps(): readonly Bitmap[] {
    return this.parts.bitmaps;
  }

  addBitmap(name: string, granularity: number | null): void {
    if (name === '') throw invalid('Bitmap name cannot be empty');
    if (granularity !== null && (granularity < 512 || !isPowerOfTwo(granularity)))
      throw invalid('Granularity must be power of 2 and at least 512');
    if (this.#edited.some(({ info }) => info.name === name))
      throw new ImageError('exists', `Bitmap already exists: ${name}`);
    const suitable = Math.min(Math.max(clusterSizeOf(this.#file.header), SMALLEST_DEFAULT), LARGEST_DEFAULT);
    const info = { name, granularity: granularity ?? suitable, inUse: false, auto: true };
    const reason = this.#whyNotStored(info);
    if (reason !== null)
      throw new ImageError('unsupported', `Can't make bitmap '${name}' persistent in '${UNNAMED_NODE}': ${reason}`);
    this.#edited.push({ info, stored: null, content: () => nothingMarked(this.size, info.granularity) });
  }

  removeBitmap(name: string): void {
    const bitmap = this.#find(name);
    this.#edited.splice(this.#edited.indexOf(bitmap), 1);
    if (bitmap.stored !== null) this.#removed.push(bitmap.stored);
  }

  clearBitmap(name: string): void {
    const bitmap = this.#findConsistent(name);
    bitmap.content = () => nothingMarked(this.size, bitmap.info.granularity);
  }

  enableBitmap(name: string, enabled: boolean): void {
    const bitmap = this.#findConsistent(name);
    bitmap.info = { ...bitmap.info, auto: enabled };
  }

  mergeBitmap(name: string, { image, name: sourceName }: BitmapSource): void {
    const target = this.#find(name);
    const source = image === this ? this.#contentNow(sourceName) : contentOf(image, sourceName);
    for (const { info } of [target, source]) if (info.inUse) throw inconsistent(info.name);
    if (image.size !== this.size)
      throw invalid(
        `Bitmaps are of different sizes (destination size is ${this.size}, source size is ${image.size}) ` +
          "and can't be merged",
      );
    const { granularity } = target.info;
    const { content: before } = this.#contentNow(name);
    target.content = () => withRanges(before(), granularity, markedRanges(source.content(), source.info.granularity));
  }

  async finish(): Promise<void> {
    const { header, writing } = this.#file;
    const store = new BitmapStore(writing, this.parts.bitmaps);
    for (const bitmap of this.#removed) await store.remove(bitmap);
    const content = (bitmap: Bitmap) => bitmapStretches(this.parts.source, header, bitmap);
    try {
      for (const bitmap of this.#edited) await storeEdited(store, bitmap, content);
    } catch (error) {
      throw lostBitmaps(error);
    }
    header.autoclearFeatures &= AUTOCLEAR.bitmaps | AUTOCLEAR.rawData;
    if (await store.finish()) await this.#file.settleHeader();
  }

  #whyNotStored(info: BitmapInfo): string | null {
    const { header } = this.#file;
    if (header.version < 3) return 'Cannot store dirty bitmaps in qcow2 v2 files';
    const violation = constraintViolation(header, info);
    if (violation !== null) return violation;
    return this.#edited.length >= LIMITS.bitmaps ? 'Maximum number of persistent bitmaps is already reached' : null;
  }

  #find(name: string): EditedBitmap {
    const bitmap = this.#edited.find(({ info }) => info.name === name);
    if (bitmap === undefined) throw notFound(name);
    return bitmap;
  }

  #findConsistent(name: string): EditedBitmap {
    const bitmap = this.#find(name);
    if (bitmap.info.inUse) throw inconsistent(name);
    return bitmap;
  }

  /** What a bitmap of this image holds at this point of the changes. */
  #contentNow(name: string): { info: BitmapInfo; content: BitmapContent } {
    const { info, content, stored } = this.#find(name);
    const { source, header } = this.parts;
    return { info, content: content ?? (() => bitmapStretches(source, header, stored!)) };
  }
}

/**
 * Stores a bitmap. As with QEMU, those that have not changed are stored anew too, so that the file becomes the same; but
 * what cannot be read stays where it is.
 */
async function storeEdited(
  store: BitmapStore,
  { info, stored, content }: EditedBitmap,
  old: StoredContent,
): Promise<void> {
  if (stored === null) await store.add(info, content!());
  else if (content !== null) await store.replace(stored, content(), info);
  else if (!stored.inUse) {
    await store.replace(stored, old(stored), info).catch((error) => {
      if (!(error instanceof ImageError) || error.code !== 'corrupt') throw error;
      store.change(stored, { ...stored, auto: info.auto });
    });
  }
}

function contentOf(image: BitmapSource['image'], name: string): { info: BitmapInfo; content: BitmapContent } {
  const info = image.bitmaps?.find((bitmap) => bitmap.name === name);
  if (info === undefined) throw notFound(name);
  return { info, content: () => image.bitmapContent!(info) };
}

function notFound(name: string): ImageError {
  return new ImageError('not-found', `Dirty bitmap '${name}' not found`);
}

function inconsistent(name: string): ImageError {
  return invalid(
    `Bitmap '${name}' is inconsistent and cannot be used\nTry block-dirty-bitmap-remove to delete this bitmap from disk`,
  );
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
