/** Making VMDK images, laid out as `qemu-img create -f vmdk` does it; streams as VMware writes them. */
import { ImageError } from '../../errors.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { freshIdentity } from '../../image/identity.js';
import type { ImageWriter, PendingWrite, PreparedRun } from '../../image/image.js';
import { PlainWriter } from '../../image/plain/plain-writer.js';
import { setLength } from '../../storage/length.js';
import type { ByteStore } from '../../storage/storage.js';
import { NO_PARENT } from './descriptor.js';
import { VmdkImage } from './image.js';
import { newSparse } from './new-sparse.js';
import { diskFor, type NewDisk } from './options.js';
import { placeInSpans, type Span } from './spans.js';
import { StreamWriter } from './stream-writer.js';
import { type Identification, type NewExtent, newDescriptor } from './text.js';

/** Bytes of disk in an extent of a split disk. */
const SPLIT = 2 ** 31;
/** What QEMU and VMware have a meaning of their own for. */
const FIRST_SPECIAL_CID = 0xffff_fffe;

/** Makes an empty image; it is not valid before the writer has finished. Throws `invalid` or `unsupported`. */
export async function createVmdk(
  target: ByteStore,
  request: CreateRequest,
  context: DriverContext,
): Promise<ImageWriter> {
  const disk = diskFor(request);
  const ids = await identification(request, context);
  const names = nameParts(target.name);
  const { size } = disk;
  if (disk.isFlat || disk.isSplit) return createExtents(target, request, context, disk, ids);
  const common = {
    size,
    zeroGrains: disk.zeroGrains,
    hasBacking: request.backing !== undefined,
    flush: request.flush,
    kernels: context.kernels,
    descriptor: () => newDescriptor(disk, ids, [{ fileName: names.base, size }]),
  };
  const isStream = disk.subformat === 'streamOptimized';
  if (isStream && !request.empty) {
    if (!target.readsZero) await target.write(0, new Uint8Array(512));
    return new StreamWriter(target, { ...common, level: disk.level });
  }
  // a guest needs tables that it can change in their place
  return newSparse(target, { ...common, compressed: isStream, count: 1 });
}

/** The identity of the new disk, and that of its parent as it is now. */
async function identification(
  { backing }: CreateRequest,
  { identity = freshIdentity() }: DriverContext,
): Promise<Identification> {
  const cid = (await identity.number('cid')) % FIRST_SPECIAL_CID;
  if (backing === undefined) return { cid, parentCid: NO_PARENT, parentName: null };
  const parent = await backing.open!();
  if (!(parent instanceof VmdkImage))
    throw new ImageError('invalid', `Invalid backing file format: ${parent.format}. Must be vmdk`);
  if (/["\r\n]/.test(backing.name))
    throw new ImageError('invalid', 'A descriptor cannot hold such a backing file name');
  return { cid, parentCid: parent.cid, parentName: backing.name };
}

/** A disk whose extents are files of their own; the descriptor comes last. */
async function createExtents(
  target: ByteStore,
  { flush, backing }: CreateRequest,
  context: DriverContext,
  disk: NewDisk,
  ids: Identification,
): Promise<ImageWriter> {
  const { directory, stem, ending } = nameParts(target.name);
  const length = disk.isSplit ? SPLIT : disk.size;
  const count = disk.size === 0 ? 0 : Math.ceil(disk.size / length);
  const extents: NewExtent[] = [];
  const spans: WrittenSpan[] = [];
  for (let index = 0; index < count; index++) {
    const number = `${disk.isFlat ? 'f' : 's'}${String(index + 1).padStart(3, '0')}`;
    const fileName = `${stem}-${disk.isSplit ? number : 'flat'}${ending}`;
    const start = index * length;
    const size = Math.min(length, disk.size - start);
    const store = await context.openReference(directory + fileName, 'create', `extents.${index}`);
    extents.push({ fileName, size });
    const writer = disk.isFlat
      ? await newFlat(store, size, flush)
      : await newSparse(store, {
          size,
          zeroGrains: disk.zeroGrains,
          compressed: false,
          hasBacking: backing !== undefined,
          flush,
          kernels: context.kernels,
          count,
        });
    spans.push({ start, end: start + size, writer });
  }
  return new ExtentsWriter(target, disk.size, spans, flush, () => newDescriptor(disk, ids, extents));
}

async function newFlat(store: ByteStore, size: number, flush: boolean): Promise<PlainWriter> {
  await setLength(store, size);
  return new PlainWriter(store, size, flush);
}

interface WrittenSpan extends Span {
  readonly writer: ImageWriter;
}

/** Fills extents, and writes the descriptor when they are complete. */
class ExtentsWriter implements ImageWriter {
  readonly unit: number;
  readonly encoding = null;
  readonly unordered: boolean;
  readonly readsZero: boolean;

  constructor(
    private readonly store: ByteStore,
    readonly size: number,
    private readonly spans: readonly WrittenSpan[],
    private readonly flushes: boolean,
    private readonly descriptor: () => Uint8Array,
  ) {
    const writers = spans.map(({ writer }) => writer);
    this.unit = Math.max(512, ...writers.map(({ unit }) => unit));
    this.unordered = writers.every(({ unordered }) => unordered);
    this.readsZero = writers.every(({ readsZero }) => readsZero);
  }

  place(run: PreparedRun): Promise<PendingWrite | undefined> {
    return placeInSpans(run, this.spans);
  }

  async finish(): Promise<void> {
    for (const { writer } of this.spans) await writer.finish();
    const bytes = this.descriptor();
    await this.store.write(0, bytes);
    await setLength(this.store, bytes.length);
    if (this.flushes) await this.store.flush();
  }

  async close(): Promise<void> {
    for (const { writer } of this.spans) await writer.close();
    await this.store.close();
  }
}

/** A file name's directory with its slash, its last part, and that without and from its last dot. */
function nameParts(name: string): { directory: string; base: string; stem: string; ending: string } {
  const base = name.slice(name.lastIndexOf('/') + 1);
  const dot = base.lastIndexOf('.');
  return {
    directory: name.slice(0, name.length - base.length),
    base,
    stem: dot < 0 ? base : base.slice(0, dot),
    ending: dot < 0 ? '' : base.slice(dot),
  };
}
