/**
 * The descriptor of a bundle, `DiskDescriptor.xml`: which files hold which part of the disk, and which are based on which.
 *
 *     Parallels_disk_image
 *       Disk_Parameters    Disk_size, Padding, Encryption (Engine)
 *       StorageData
 *         Storage          Start, End: a part of the disk, in sectors
 *           Image          GUID, Type, File: the part as it was at a snapshot
 *       Snapshots          TopGUID
 *         Shot             GUID, ParentGUID
 *
 * Specification: QEMU, docs/interop/prl-xml.
 */
import { corrupt, ImageError } from '../../../errors.js';
import type { ByteSource } from '../../../storage/storage.js';
import { SECTOR } from '../layout.js';
import { childrenOf, type Element, parseXml, textOf } from './xml.js';

/** The file of a bundle that tells of all others. */
export const DESCRIPTOR = 'DiskDescriptor.xml';

const ROOT = 'Parallels_disk_image';

/** Bytes of a descriptor at most, and how far into it the root element begins. */
const LIMITS = { size: 1024 * 1024, root: 4096 } as const;

/** The GUID of nothing: the parent of what has none. */
const NOTHING = '{00000000-0000-0000-0000-000000000000}';
/** The state that a guest writes to, where the descriptor does not say another one. */
const USUAL_TOP = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';

/** `Compressed`: a Parallels image; `Plain`: the bytes as they are. */
export type ImageType = 'Compressed' | 'Plain';

export interface ImageFile {
  type: ImageType;
  /** As the descriptor has it: absolute, or counted from the descriptor's directory. */
  file: string;
}

/** A part of the disk. */
export interface Storage {
  /** Bytes of the disk. */
  start: number;
  end: number;
  /** By the GUID of the snapshot, in lower case and braces. */
  images: ReadonlyMap<string, ImageFile>;
}

export interface BundleDescriptor {
  /** Tile the disk, ascending. */
  storages: readonly Storage[];
  /** GUIDs of the images that make the disk, from the state of now down to the root. */
  chain: readonly string[];
}

/** The beginning of a file says that it is such a descriptor. */
export function isDescriptor(head: Uint8Array): boolean {
  const text = new TextDecoder().decode(head.subarray(0, LIMITS.root));
  return /^\s*</.test(text) && text.includes(`<${ROOT}`);
}

/** Throws `corrupt`, and `unsupported` for disks that are stored in ways that nobody has described. */
export async function readDescriptor(source: ByteSource): Promise<BundleDescriptor> {
  if (source.size > LIMITS.size) throw corrupt('The Parallels disk descriptor is too large');
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes);
  const root = await parseXml(new TextDecoder().decode(bytes), 'The Parallels disk descriptor');
  if (root.name !== ROOT) throw corrupt(`The Parallels disk descriptor has no ${ROOT}`);
  const parameters = childrenOf(root, 'Disk_Parameters')[0];
  refuseUnknown(parameters);
  const storages = childrenOf(root, 'StorageData').flatMap((data) => childrenOf(data, 'Storage').map(storageOf));
  storages.sort((one, other) => one.start - other.start);
  const size = textOf(parameters, 'Disk_size');
  checkTiling(storages, size === null ? null : bytesOf(size, 'Disk_size'));
  return { storages, chain: chainOf(childrenOf(root, 'Snapshots')[0], storages) };
}

function refuseUnknown(parameters: Element | undefined): void {
  const unsupported = (what: string) => new ImageError('unsupported', `Parallels disks with ${what} cannot be read`);
  if ((textOf(parameters, 'Padding') ?? '0') !== '0') throw unsupported('padding');
  const engine = textOf(childrenOf(parameters, 'Encryption')[0], 'Engine');
  if (engine !== null && engine !== NOTHING) throw unsupported('encryption');
}

function storageOf(element: Element): Storage {
  const images = new Map<string, ImageFile>();
  for (const image of childrenOf(element, 'Image')) {
    const guid = guidOf(image, 'GUID');
    if (images.has(guid)) throw corrupt(`The Parallels disk descriptor has two images ${guid} of the same part`);
    const type = required(image, 'Type');
    if (type !== 'Compressed' && type !== 'Plain')
      throw new ImageError('unsupported', `Parallels images of the type '${type}' cannot be read`);
    images.set(guid, { type, file: required(image, 'File') });
  }
  const [start, end] = (['Start', 'End'] as const).map((name) => bytesOf(required(element, name), name));
  return { start: start!, end: end!, images };
}

function checkTiling(storages: readonly Storage[], size: number | null): void {
  if (storages.length === 0) throw corrupt('The Parallels disk descriptor has no storages');
  let reached = 0;
  for (const { start, end } of storages) {
    if (start < reached) throw corrupt(`The storages of the Parallels disk overlap at sector ${start / SECTOR}`);
    if (start > reached) throw corrupt(`The Parallels disk has no storage at sector ${reached / SECTOR}`);
    if (end <= start) throw corrupt(`The storage at sector ${start / SECTOR} of the Parallels disk is empty`);
    reached = end;
  }
  if (size !== null && size !== reached)
    throw corrupt(`The storages of the Parallels disk end at sector ${reached / SECTOR}, not at ${size / SECTOR}`);
}

/** Follows the parents. Throws `corrupt` for one that is not there, or comes again. */
function chainOf(snapshots: Element | undefined, storages: readonly Storage[]): string[] {
  const shots = new Map(
    childrenOf(snapshots, 'Shot').map((shot) => [guidOf(shot, 'GUID'), guidOf(shot, 'ParentGUID')]),
  );
  const lonely = [...storages[0]!.images.keys()];
  if (shots.size === 0 && lonely.length === 1) return lonely;
  const chain = new Set<string>();
  let guid = textOf(snapshots, 'TopGUID') === null ? USUAL_TOP : guidOf(snapshots!, 'TopGUID');
  while (guid !== NOTHING) {
    if (chain.has(guid)) throw corrupt(`The snapshot ${guid} of the Parallels disk is its own parent`);
    chain.add(guid);
    const parent = shots.get(guid);
    if (parent === undefined) throw corrupt(`The Parallels disk descriptor has no snapshot ${guid}`);
    guid = parent;
  }
  if (chain.size === 0) throw corrupt('The Parallels disk descriptor says that there is nothing on the disk');
  return [...chain];
}

/** In lower case and braces. */
function guidOf(element: Element, name: string): string {
  const text = required(element, name);
  const digits = /^\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?$/.exec(text.toLowerCase())?.[1];
  if (digits === undefined) throw corrupt(`The Parallels disk descriptor has a wrong ${name}: '${text.slice(0, 64)}'`);
  return `{${digits}}`;
}

/** Of a number of sectors. */
function bytesOf(text: string, name: string): number {
  const bytes = /^\d+$/.test(text) ? Number(text) * SECTOR : Number.NaN;
  if (!Number.isSafeInteger(bytes))
    throw corrupt(`The Parallels disk descriptor has a wrong ${name}: '${text.slice(0, 64)}'`);
  return bytes;
}

function required(element: Element, name: string): string {
  const text = textOf(element, name);
  if (text === null) throw corrupt(`The Parallels disk descriptor has no ${name} in ${element.name}`);
  return text;
}
