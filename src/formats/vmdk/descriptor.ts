/**
 * The descriptor: a text that tells what the disk consists of.
 *
 *     # Disk DescriptorFile
 *     version=1
 *     CID=6c3ae12f
 *     parentCID=ffffffff
 *     createType="twoGbMaxExtentFlat"
 *     RW 4194304 FLAT "disk-f001.vmdk" 0
 *     ddb.adapterType = "ide"
 */
import { cString } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { SECTOR } from './layout.js';

/** `parentCID` of a disk without a parent. */
export const NO_PARENT = 0xffff_ffff;

/** A line that describes a stretch of the disk. */
export interface ExtentLine {
  access: 'RW' | 'RDONLY' | 'NOACCESS';
  /** Bytes. */
  length: number;
  type: string;
  /** null: the type needs none. */
  fileName: string | null;
  /** Byte of the file at which a flat extent begins. */
  offset: number;
}

export interface Descriptor {
  text: string;
  /** Identifies the disk's content; null: the descriptor does not tell. */
  cid: number | null;
  /** That of the parent as it was when this disk was made. */
  parentCid: number | null;
  parentName: string | null;
  createType: string | null;
}

const FLAT = ['FLAT', 'VMFS'];
/** Types without a file. */
const NO_FILE = ['ZERO'];
/** After the number of sectors a blank may be missing: QEMU reads such lines, too. */
const EXTENT_LINE = /^\s*(RW|RDONLY|NOACCESS)\s+(\d+)(?!\d)\s*(\S+)(?:\s+"([^"]+)"(?:\s+(-?\d+))?)?/;

/** Takes what stands before the first NUL. Throws `corrupt` for a name that does not end. */
export function parseDescriptor(bytes: Uint8Array): Descriptor {
  const text = cString(bytes);
  const hint = fieldOf(text, 'parentFileNameHint');
  const name = hint === null ? null : /^"([^"]*)"/.exec(hint);
  if (hint !== null && name === null) throw corrupt('invalid VMDK image descriptor');
  return {
    text,
    cid: hexOf(fieldOf(text, 'CID')),
    parentCid: hexOf(fieldOf(text, 'parentCID')),
    parentName: name?.[1] ?? null,
    createType: /^"([^"]*)"/.exec(fieldOf(text, 'createType') ?? '')?.[1] ?? null,
  };
}

/** The lines that describe extents, in the order of the disk. Throws `corrupt` for one that makes no sense. */
export function extentLines({ text }: Descriptor): ExtentLine[] {
  const lines: ExtentLine[] = [];
  for (const line of text.split(/\r?\n/)) {
    const match = EXTENT_LINE.exec(line);
    if (match === null) continue;
    const [, access, sectors, type, fileName = null, offset = null] = match;
    if (!isComplete(type!, fileName, offset)) throw corrupt(`Invalid extent line: ${line}`);
    const length = Number(sectors) * SECTOR;
    const start = Number(offset ?? 0) * SECTOR;
    if (!Number.isSafeInteger(length + start)) throw corrupt(`Invalid extent line: ${line}`);
    if (length > 0)
      lines.push({ access: access as ExtentLine['access'], length, type: type!, fileName, offset: start });
  }
  return lines;
}

/** Only extents of type FLAT begin somewhere in their file. */
function isComplete(type: string, fileName: string | null, offset: string | null): boolean {
  if (NO_FILE.includes(type)) return true;
  if (fileName === null) return false;
  return type === 'FLAT' ? offset !== null && Number(offset) >= 0 : offset === null;
}

/** The extent is a plain stretch of its file. */
export function isFlat(type: string): boolean {
  return FLAT.includes(type);
}

/** The same descriptor with another CID; whatever its encoding is. */
export function withCid(bytes: Uint8Array, cid: number): Uint8Array {
  // one character a byte
  const text = new TextDecoder('latin1').decode(bytes);
  const match = /^([ \t]*CID[ \t]*=[ \t]*)[0-9a-fA-F]+/m.exec(text);
  if (match === null) return bytes;
  const line = new TextEncoder().encode(match[1]! + cid.toString(16));
  const rest = bytes.subarray(match.index + match[0].length);
  const changed = new Uint8Array(match.index + line.length + rest.length);
  changed.set(bytes.subarray(0, match.index));
  changed.set(line, match.index);
  changed.set(rest, match.index + line.length);
  return changed;
}

function fieldOf(text: string, key: string): string | null {
  return new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*(.*?)\\r?$`, 'm').exec(text)?.[1] ?? null;
}

function hexOf(value: string | null): number | null {
  const digits = value === null ? null : /^(0x)?([0-9a-fA-F]{1,8})/i.exec(value);
  return digits ? Number.parseInt(digits[2]!, 16) : null;
}
