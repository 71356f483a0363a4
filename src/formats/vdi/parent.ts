/** The parent of a differencing image: it is known by its UUIDs alone, so it is looked for among the files around. */
import { ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import { guidText } from '../../image/guid.js';
import type { BackingReference } from '../../image/image.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { isNull } from './header.js';
import { HEADER, SIGNATURE, type VdiHeader } from './layout.js';

export interface FoundParent {
  backing: BackingReference | null;
  /** Why the disk cannot be read; null: the parent was found. */
  unreadable: ImageError | null;
}

/**
 * Of images with the right UUID the one whose content is as it was then, or else the first one, of which the user is
 * warned. `name`: of the image itself.
 */
export async function findParent(name: string, header: VdiHeader, context: DriverContext): Promise<FoundParent> {
  const { parentImageUuid, parentContentUuid } = header;
  let asItWas: string | null = null;
  let first: string | null = null;
  await context.lookAround?.('.vdi', async (candidate, source) => {
    const found = await readIdentity(source);
    if (found === null || !isSame(found.imageUuid, parentImageUuid)) return false;
    first ??= candidate;
    if (!isNull(parentContentUuid) && !isSame(found.contentUuid, parentContentUuid)) return false;
    asItWas = candidate;
    return true;
  });
  const parent = asItWas ?? first;
  if (parent === null) return { backing: null, unreadable: missing(parentImageUuid) };
  if (asItWas === null)
    context.onWarning?.(
      `'${parent}' has been changed since '${name}' was based on it: its modification UUID is another`,
    );
  return { backing: { name: parent, format: 'vdi' }, unreadable: null };
}

/** As it is printed everywhere. */
export function uuidText(stored: Uint8Array): string {
  return guidText(stored).toLowerCase();
}

/** null: it is no VDI image. */
async function readIdentity(source: ByteSource): Promise<Pick<VdiHeader, 'imageUuid' | 'contentUuid'> | null> {
  const bytes = new Uint8Array(HEADER.size);
  await readPadded(source, 0, bytes);
  const [offset] = HEADER.fields.signature;
  if (new DataView(bytes.buffer).getUint32(offset, true) !== SIGNATURE) return null;
  const uuidAt = ([at]: readonly [number, unknown]) => bytes.slice(at, at + 16);
  return { imageUuid: uuidAt(HEADER.fields.imageUuid), contentUuid: uuidAt(HEADER.fields.contentUuid) };
}

function missing(uuid: Uint8Array): ImageError {
  return new ImageError(
    'not-found',
    `The image that this differencing VDI image is based on, with the UUID ${uuidText(uuid)}, is not among the .vdi ` +
      'files beside it; with --allow-external it is also looked for in the directory above',
  );
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, at) => byte === other[at]);
}
