/** Opening VMDK images: from the descriptor, which may be a file of its own, to the extents. */
import { corrupt, ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import type { Image } from '../../image/image.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { type Descriptor, type ExtentLine, extentLines, NO_PARENT, parseDescriptor } from './descriptor.js';
import { type ExtentContext, openExtent, sparseExtent } from './extents.js';
import { type DiskParts, type Part, VmdkImage } from './image.js';
import { LIMITS } from './layout.js';
import { type EmbeddedDescriptor, kindOf, readCowd, readHosted, type SparseShape } from './sparse-header.js';

/** Types of disks whose extents are named by a descriptor. */
const BY_DESCRIPTOR = [
  'monolithicFlat',
  'vmfs',
  'vmfsSparse',
  'seSparse',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  // what QEMU does not know, with the same kinds of extents
  '2GbMaxExtentSparse',
  '2GbMaxExtentFlat',
  'vmfsPreallocated',
  'vmfsEagerZeroedThick',
  'vmfsThin',
  'custom',
];
/** Types of disks in a single file: empty ones look as if they consisted of a descriptor only. */
const IN_ONE_FILE = ['monolithicSparse', 'streamOptimized'];

/** What a file turned out to be. */
export interface Found {
  descriptor: Descriptor;
  /** Where the descriptor lies; bytes. */
  place: EmbeddedDescriptor;
  createType: string;
  /** The file is the only extent; null: `lines` tell them. */
  shape: SparseShape | null;
  lines: readonly ExtentLine[];
}

/** Throws `corrupt` or `unsupported`, and what opening an extent throws. */
export async function openVmdk(source: ByteSource, context: DriverContext): Promise<Image> {
  return new VmdkImage(await openParts(source, context));
}

/** The extents, open for reading. */
export async function openParts(source: ByteSource, context: DriverContext): Promise<DiskParts> {
  const found = await findDescriptor(source);
  const { descriptor, createType, shape, lines } = found;
  const extents = extentContext(source, context, lines.length);
  const parts: Part[] = [];
  if (shape !== null) parts.push(await sparseExtent(source, shape, { fileName: source.name, type: '' }, extents));
  for (const [index, line] of lines.entries()) parts.push(await openExtent(line, index, extents));
  return { parts, descriptor, createType };
}

/** What the extents need to know of the disk. */
export function extentContext(source: ByteSource, context: DriverContext, extents: number): ExtentContext {
  const { location = { name: source.name, place: () => source.name } } = context;
  return {
    kernels: context.kernels,
    openReference: (...reference) => context.openReference(...reference),
    get directory() {
      return directoryOf(location);
    },
    count: Math.max(1, extents),
  };
}

/** Reads what the file begins with, down to the descriptor. */
export async function findDescriptor(source: ByteSource): Promise<Found> {
  if (source.size < 4) throw corrupt('File is too small, not a valid image');
  const head = new Uint8Array(4);
  await source.read(0, head);
  const kind = kindOf(head);
  if (kind === 'cowd') return lonelyCowd(await readCowd(source));
  if (kind === 'other') return describedBy(source, { offset: 0, length: Math.min(source.size, LIMITS.descriptorFile) });
  const { shape, descriptor: place } = await readHosted(source);
  if (shape === null) return describedBy(source, place!);
  const descriptor = place === null ? null : await descriptorAt(source, place);
  if (descriptor === null || descriptor.cid === null || descriptor.parentCid === null) throw unidentified(source);
  const createType = shape.packed === null ? 'monolithicSparse' : 'streamOptimized';
  return { descriptor, place: place!, createType, shape, lines: [] };
}

/** A COWD file by itself: it has no place for a descriptor. */
function lonelyCowd(shape: SparseShape): Found {
  const descriptor = { text: '', cid: 0, parentCid: NO_PARENT, parentName: null, createType: null };
  return { descriptor, place: { offset: 0, length: 0 }, createType: 'vmfsSparse', shape, lines: [] };
}

async function describedBy(source: ByteSource, place: EmbeddedDescriptor): Promise<Found> {
  const descriptor = await descriptorAt(source, place);
  const { createType } = descriptor;
  if (createType === null) throw corrupt('invalid VMDK image descriptor');
  const isEmpty = place.offset > 0 && IN_ONE_FILE.includes(createType);
  if (!isEmpty && !BY_DESCRIPTOR.includes(createType))
    throw new ImageError('unsupported', `Unsupported image type '${createType}'`);
  const lines = isEmpty ? [] : extentLines(descriptor);
  if (descriptor.cid === null || descriptor.parentCid === null) throw unidentified(source);
  return { descriptor, place, createType, shape: null, lines };
}

async function descriptorAt(source: ByteSource, { offset, length }: EmbeddedDescriptor): Promise<Descriptor> {
  const bytes = new Uint8Array(length);
  await readPadded(source, offset, bytes);
  return parseDescriptor(bytes);
}

/** QEMU's words for a disk without CIDs. */
function unidentified({ name }: ByteSource): ImageError {
  return corrupt(`Could not open '${name}': Invalid argument`);
}

function directoryOf({ name, place }: NonNullable<DriverContext['location']>): string {
  try {
    const fileName = place();
    return fileName.slice(0, fileName.lastIndexOf('/') + 1);
  } catch (error) {
    const prefix = `Cannot use relative paths with VMDK descriptor file '${name}': `;
    throw error instanceof ImageError ? error.prefixed(prefix) : error;
  }
}
