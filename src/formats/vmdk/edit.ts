/** Opening VMDK images to change them. */
import { ImageError } from '../../errors.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { freshIdentity } from '../../image/identity.js';
import type { EditableImage, PendingWrite, PreparedRun } from '../../image/image.js';
import { setLength } from '../../storage/length.js';
import type { ByteStore } from '../../storage/storage.js';
import { withCid } from './descriptor.js';
import { editExtent, editSparse } from './extents.js';
import { type DiskParts, type Part, VmdkImage } from './image.js';
import { writeDescriptor } from './new-sparse.js';
import { extentContext, type Found, findDescriptor } from './open.js';
import { placeInSpans } from './spans.js';

/** Opens an image for writing. Throws `unsupported` for one that cannot be changed. */
export async function editVmdk(store: ByteStore, request: EditRequest, context: DriverContext): Promise<EditableImage> {
  const found = await findDescriptor(store);
  const { descriptor, createType, shape, lines } = found;
  const extents = extentContext(store, context, lines.length);
  const edit = {
    flush: request.flush,
    backing: descriptor.parentName === null ? null : { name: descriptor.parentName, format: 'vmdk' },
    backingImage: async () => (await request.backing?.()) ?? null,
  };
  const parts: Part<EditableImage>[] = [];
  const own = { fileName: store.name, type: '' };
  if (shape !== null) parts.push(await editSparse(store, shape, own, extents, { ...edit, start: 0 }));
  let start = 0;
  for (const [index, line] of lines.entries()) {
    parts.push(await editExtent(line, index, start, extents, edit));
    start += parts.at(-1)!.image.size;
  }
  return new VmdkEditor({ parts, descriptor, createType }, async () => {
    if (descriptor.parentName !== null) await request.backing?.();
    await renewCid(store, found);
  });
}

/** The content changes, and with it what identifies it: images over this one become invalid. */
async function renewCid(store: ByteStore, { place: { offset, length } }: Found): Promise<void> {
  if (length === 0) return;
  const bytes = new Uint8Array(length);
  await store.read(offset, bytes);
  const end = bytes.indexOf(0);
  const changed = withCid(end < 0 ? bytes : bytes.subarray(0, end), await freshIdentity().number('cid'));
  if (offset > 0) return writeDescriptor(store, changed, { offset, length });
  await store.write(0, changed);
  await setLength(store, changed.length);
}

/** Changes the extents of a disk. */
class VmdkEditor extends VmdkImage<EditableImage> implements EditableImage {
  readonly unit: number;
  readonly encoding;
  readonly unordered: boolean;
  readonly readsZero = false;
  /** Runs that are cut on the disk's grid are cut on that of each extent. */
  readonly #isAligned: boolean;
  #begun: Promise<void> | null = null;

  /** @param begin before the first change */
  constructor(
    disk: DiskParts<EditableImage>,
    private readonly begin: () => Promise<void>,
  ) {
    super(disk);
    const { places } = this;
    this.unit = Math.max(512, ...places.map(({ image }) => image.unit));
    this.encoding = places.length === 1 ? places[0]!.image.encoding : null;
    this.unordered = places.every(({ image }) => image.unordered);
    this.#isAligned = places.every(({ image, start }) => start % this.unit === 0 && this.unit % image.unit === 0);
  }

  async place(run: PreparedRun): Promise<PendingWrite | undefined> {
    await this.#begin();
    const write = await placeInSpans(
      run,
      this.places.map(({ start, end, image }) => ({ start, end, writer: image })),
    );
    if (this.#isAligned) return write;
    // two runs may meet in a grain: the next one must not overtake it
    await write?.();
    return undefined;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#forEach(offset, bytes.length, (image, at, from, to) => image.write(at, bytes.subarray(from, to)));
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.#forEach(offset, length, (image, at, from, to) => image.zero(at, to - from));
  }

  async flush(): Promise<void> {
    for (const { image } of this.places) await image.flush();
  }

  async finish(): Promise<void> {
    for (const { image } of this.places) await image.finish();
  }

  /** Calls `change` for each extent with the part of the range that falls into it, `from` and `to` counted from `offset`. */
  async #forEach(
    offset: number,
    length: number,
    change: (image: EditableImage, at: number, from: number, to: number) => Promise<void>,
  ): Promise<void> {
    if (offset + length > this.size) throw new ImageError('io', 'Input/output error', { offset });
    await this.#begin();
    for (let from = 0; from < length; ) {
      const { image, start, end } = this.placeAt(offset + from);
      const to = Math.min(length, end - offset);
      await change(image, offset + from - start, from, to);
      from = to;
    }
  }

  #begin(): Promise<void> {
    this.#begun ??= this.begin();
    return this.#begun;
  }
}
