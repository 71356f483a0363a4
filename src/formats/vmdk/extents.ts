/** Opening the extents of a disk, to read them or to change them. */
import { roundUp } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { BlankImage } from '../../image/blank.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage, type BlockImageParts } from '../../image/blocks/block-image.js';
import type { BlockMap } from '../../image/blocks/block-map.js';
import type { DriverContext } from '../../image/driver.js';
import type { BackingReference, EditableImage, Extent, Image } from '../../image/image.js';
import { PackedClusters } from '../../image/packed.js';
import { PlainImage } from '../../image/plain/plain-image.js';
import { PlainEditor } from '../../image/plain/plain-writer.js';
import { SliceImage } from '../../image/slice.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { type ExtentLine, isFlat } from './descriptor.js';
import { grainUnpacker } from './grains.js';
import type { ExtentInfo, Part } from './image.js';
import { LIMITS, SECTOR } from './layout.js';
import { GrainMap } from './map.js';
import { openSeSparse } from './sesparse.js';
import { kindOf, readCowd, readHosted, type SparseShape } from './sparse-header.js';
import { tableMemory } from './table-memory.js';

/** The types of sparse extents whose file tells what it is. */
const SPARSE = ['SPARSE', 'VMFSSPARSE'];

/** A stretch of the disk that reads as zeros. */
class ZeroImage extends BlankImage {
  override extents(start: number, length: number): Extent[] {
    return [{ start, length, kind: 'zero', compressed: false, hostOffset: null, depth: 0 }];
  }
}

/** The same that must not be read. */
class ForbiddenImage extends BlankImage {
  override readonly unreadable: never;

  constructor(size: number, { fileName, type }: ExtentLine) {
    super(size);
    const message = `Access to the extent '${fileName ?? type}' is not allowed (NOACCESS)`;
    this.unreadable = new ImageError('denied', message) as never;
  }
}

/** What opening an extent needs to know of the disk. */
export interface ExtentContext extends Pick<DriverContext, 'kernels' | 'openReference'> {
  /** Directory of the descriptor's file, with a slash at the end if it is not empty. */
  directory: string;
  /** Extents of the disk. */
  count: number;
}

/** How extents are to be changed. */
export interface ExtentEdit {
  flush: boolean;
  backing: BackingReference | null;
  /** The backing chain's disk. */
  backingImage(): Promise<Image | null>;
}

/** Opens the file of one line of the descriptor. `index` counts the lines. */
export async function openExtent(line: ExtentLine, index: number, context: ExtentContext): Promise<Part> {
  const { access, type, length } = line;
  const about = { fileName: line.fileName ?? '', type, compressed: false, grainSize: null };
  if (access === 'NOACCESS') return { image: new ForbiddenImage(length, line), file: null, about };
  if (line.fileName === null) return { image: new ZeroImage(length), file: null, about };
  const name = fullName(line.fileName, context);
  const source = await context.openReference(name, 'read', `extents.${index}`);
  return { ...(await readExtent(source, line, context)), file: name };
}

async function readExtent(source: ByteSource, line: ExtentLine, context: ExtentContext): Promise<Part> {
  const { type, length, offset } = line;
  const about = { fileName: source.name, type };
  if (isFlat(type)) {
    const image = new PlainImage('vmdk', source, { offset, length }, true);
    return { image, file: null, about: { ...about, compressed: false, grainSize: null } };
  }
  if (SPARSE.includes(type)) return sparseExtent(source, await readSparse(source), about, context);
  if (type !== 'SESPARSE') throw unknownType(type);
  const map = await openSeSparse(source, tableMemory(context.count));
  return partOf(new BlockImage({ ...plainParts(map, map.size), source }), about, false);
}

/** Opens it for writing. Throws `unsupported` for an extent that only may be read. */
export async function editExtent(
  line: ExtentLine,
  index: number,
  start: number,
  context: ExtentContext,
  edit: ExtentEdit,
): Promise<Part<EditableImage>> {
  const { access, type, length, offset, fileName } = line;
  if (access !== 'RW' || fileName === null)
    throw new ImageError('unsupported', `The extent '${fileName ?? type}' cannot be written to`);
  if (type === 'SESPARSE') throw new ImageError('unsupported', 'No write support for seSparse images available');
  if (!isFlat(type) && !SPARSE.includes(type)) throw unknownType(type);
  const name = fullName(fileName, context);
  const store = await context.openReference(name, 'write', `extents.${index}`);
  const about = { fileName: store.name, type };
  if (isFlat(type)) {
    const image = new PlainEditor('vmdk', store, { offset, length }, edit.flush, { preallocated: true });
    return { image, file: name, about: { ...about, compressed: false, grainSize: null } };
  }
  const part = await editSparse(store, await readSparse(store), about, context, { ...edit, start });
  return { ...part, file: name };
}

/** A hosted sparse or COWD extent, in a file of its own or with the descriptor in it. */
export async function sparseExtent(
  source: ByteSource,
  shape: SparseShape,
  about: Pick<ExtentInfo, 'fileName' | 'type'>,
  context: ExtentContext,
): Promise<Part> {
  const map = new GrainMap(source, shape, null, tableMemory(context.count));
  await map.check();
  const parts = { ...plainParts(map, shape.size), source, ...packedParts(source, shape, context) };
  return partOf(new BlockImage(parts), about, shape.packed !== null);
}

/** The same for writing; `start`: byte of the disk at which the extent begins. */
export async function editSparse(
  store: ByteStore,
  shape: SparseShape,
  about: Pick<ExtentInfo, 'fileName' | 'type'>,
  context: ExtentContext,
  { flush, backing, backingImage, start }: ExtentEdit & { start: number },
): Promise<Part<EditableImage>> {
  if (shape.readOnly !== null) throw new ImageError('unsupported', shape.readOnly);
  if (shape.packed !== null)
    throw new ImageError('unsupported', 'Stream-optimized images cannot be changed once they are written');
  const space = new AppendSpace(roundUp(store.size, SECTOR));
  const map = new GrainMap(store, shape, { sink: store, space }, tableMemory(context.count));
  await map.check();
  const image = new BlockEditor({
    ...plainParts(map, shape.size),
    source: store,
    map,
    kernels: context.kernels,
    flush,
    backing,
    backingImage: async () => sliceOf(await backingImage(), start, shape.size),
    async finished() {
      if (store.size < space.end) await store.truncate(space.end);
    },
  });
  return { image, file: null, about: { ...about, compressed: false, grainSize: shape.grainSize } };
}

/** The shape of an extent in a file of its own. Throws `corrupt`. */
async function readSparse(source: ByteSource): Promise<SparseShape> {
  const head = new Uint8Array(Math.min(4, source.size));
  await source.read(0, head);
  const kind = kindOf(head);
  if (kind === 'cowd') return readCowd(source);
  const shape = kind === 'hosted' ? (await readHosted(source)).shape : null;
  if (shape === null) throw corrupt('Image not in VMDK format');
  return shape;
}

function packedParts(source: ByteSource, { packed, grainSize }: SparseShape, { kernels }: ExtentContext) {
  if (packed === null) return {};
  if (grainSize > LIMITS.packedGrain)
    throw new ImageError('unsupported', `Compressed grains of ${grainSize} bytes are not supported`);
  const unpacker = grainUnpacker(kernels, grainSize, packed.markers);
  return { packed: new PackedClusters(source, kernels, unpacker, grainSize) };
}

function plainParts<M extends BlockMap>(map: M, size: number): Omit<BlockImageParts, 'source' | 'map'> & { map: M } {
  return { format: 'vmdk', map, size, details: () => ({}) };
}

function partOf(image: BlockImage, about: Pick<ExtentInfo, 'fileName' | 'type'>, compressed: boolean): Part {
  return { image, file: null, about: { ...about, compressed, grainSize: image.clusterSize } };
}

/** What of the backing file lies below an extent. */
function sliceOf(backing: Image | null, start: number, length: number): Image | null {
  if (backing === null) return null;
  return new SliceImage(backing, start, Math.max(0, Math.min(length, backing.size - start)));
}

function fullName(name: string, { directory }: ExtentContext): string {
  return name.startsWith('/') ? name : directory + name;
}

function unknownType(type: string): ImageError {
  return new ImageError('unsupported', `Unsupported extent type '${type}'`);
}
