/**
 * The parent locator: how a differencing image says what it is based on.
 *
 * Specification: [MS-VHDX], section 2.6.2.6. Keys and values are UTF-16; paths are Windows' paths.
 */
import { fields } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { guidText } from '../../image/guid.js';

const HEADER = fields('little', { type: [0, { bytes: 16 }], count: [18, 'u16'] });

const ENTRIES_AT = 20;

const ENTRY = fields('little', {
  keyOffset: [0, 'u32'],
  valueOffset: [4, 'u32'],
  keyLength: [8, 'u16'],
  valueLength: [10, 'u16'],
});

/** The type for parents that are VHDX files, the only one. */
const VHDX_PARENT = 'B04AEFB7-D19E-4A81-B789-25B8E9445913';

export interface Parent {
  /** As a path with slashes. */
  path: string;
  /** GUIDs that the parent's `dataWriteGuid` may be, in capitals; none: not recorded. */
  linkage: string[];
}

/** Where the parent is, the likeliest place first. */
const PATH_KEYS = ['relative_path', 'absolute_win32_path', 'volume_path'];

/** The parent as it was when this image was made; the second is set while the parent is being changed. */
const LINKAGE_KEYS = ['parent_linkage', 'parent_linkage2'];

/** Throws `corrupt` for a locator that breaks the rules or names no file, `unsupported` for one of another type. */
export function parseParent(item: Uint8Array): Parent {
  if (item.length < ENTRIES_AT) throw corrupt('The VHDX parent locator is too short');
  const { type, count } = HEADER.read(item);
  if (guidText(type) !== VHDX_PARENT) throw new ImageError('unsupported', 'The VHDX parent is of an unknown type');
  if (ENTRIES_AT + count * ENTRY.size > item.length) throw corrupt('The VHDX parent locator is too short');
  const values = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const { keyOffset, valueOffset, keyLength, valueLength } = ENTRY.read(item, ENTRIES_AT + index * ENTRY.size);
    values.set(text(item, keyOffset, keyLength), text(item, valueOffset, valueLength));
  }
  const key = PATH_KEYS.find((name) => (values.get(name) ?? '') !== '');
  if (key === undefined) throw corrupt('The VHDX parent locator names no file');
  return {
    path: values.get(key)!.replaceAll('\\', '/'),
    linkage: LINKAGE_KEYS.flatMap((name) => guidIn(values.get(name))),
  };
}

function guidIn(value = ''): string[] {
  const guid = /^\{?([0-9A-F-]{36})\}?$/.exec(value.toUpperCase())?.[1];
  return guid === undefined ? [] : [guid];
}

function text(item: Uint8Array, offset: number, length: number): string {
  if (offset + length > item.length) throw corrupt('The VHDX parent locator points beyond its end');
  return new TextDecoder('utf-16le').decode(item.subarray(offset, offset + length));
}
