/**
 * The parent of a differencing image.
 *
 * Specification: VHD 1.0, "Dynamic Disk Header Format", parent locator and parent name.
 */
import { corrupt } from '../../errors.js';
import { guidText } from '../../image/guid.js';
import type { BackingReference } from '../../image/image.js';
import { mixedEndian } from '../../image/uuid.js';
import type { ByteSource } from '../../storage/storage.js';
import type { DynamicHeader } from './header.js';
import { LOCATOR, LOCATORS } from './layout.js';

/** Platform codes, the likeliest place first: Windows' relative and absolute paths, in UTF-16 from the lowest byte. */
const PLATFORMS = ['W2ru', 'W2ku'];

/** No path is longer. */
const LONGEST_PATH = 65536;

/** Throws `corrupt` for an image that names no file. */
export async function readParent(source: ByteSource, header: DynamicHeader): Promise<BackingReference> {
  const locators = Array.from({ length: LOCATORS.count }, (_, index) =>
    LOCATOR.read(header.bytes, LOCATORS.offset + index * 24),
  );
  for (const platform of PLATFORMS) {
    const locator = locators.find((each) => each.platform === codeOf(platform));
    if (locator === undefined || locator.dataLength === 0) continue;
    const { dataOffset, dataLength } = locator;
    if (dataLength > LONGEST_PATH || dataOffset + dataLength > source.size)
      throw corrupt('The VHD parent locator ends beyond the end of the file');
    const bytes = new Uint8Array(dataLength);
    await source.read(dataOffset, bytes);
    return reference(bytes, 'utf-16le');
  }
  return reference(header.parentName, 'utf-16be');
}

/** The identifier of the parent; none: it was not recorded. */
export function parentIdsOf({ parentUuid }: DynamicHeader): string[] {
  return parentUuid.every((byte) => byte === 0) ? [] : [guidText(mixedEndian(parentUuid))];
}

function reference(bytes: Uint8Array, encoding: string): BackingReference {
  const path = new TextDecoder(encoding).decode(bytes).replace(/\0.*$/s, '').replaceAll('\\', '/');
  if (path === '') throw corrupt('The VHD names no parent');
  return { name: path, format: 'vpc' };
}

function codeOf(platform: string): number {
  return [...platform].reduce((code, letter) => code * 256 + letter.charCodeAt(0), 0);
}
