/** Tar archives: a list of their files, without reading what is in them. */
import { roundUp } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
import { readTarHeader, TAR_BLOCK, type TarHeader, textOf } from './header.js';
import { furtherMaps, readLeadingSparse, readListedSparse, readOldSparse, type SparseContent } from './sparse.js';

export interface TarMember extends SparseContent {
  /** Without `./` before it. */
  name: string;
}

/** What stands before a member about it. */
interface Extension {
  name?: string;
  records: ReadonlyMap<string, string>;
}

const LIMITS = { members: 65536, extension: 1024 * 1024 } as const;
const NOTHING: Extension = { records: new Map() };
const TYPE = { file: '0', contiguous: '7', sparse: 'S', longName: 'L', extended: 'x', global: 'g' } as const;

/** The files of an archive in their order; directories and links are left out. Throws `corrupt`. */
export async function readTar(archive: ByteSource): Promise<TarMember[]> {
  const members: TarMember[] = [];
  let extension = NOTHING;
  let count = 0;
  const block = new Uint8Array(TAR_BLOCK);
  for (let at = 0; at + TAR_BLOCK <= archive.size; ) {
    await archive.read(at, block);
    if (block.every((byte) => byte === 0)) break;
    if (++count > LIMITS.members) throw corrupt(`The tar archive has more than ${LIMITS.members} members`);
    const header = readTarHeader(block, at);
    const dataAt = at + TAR_BLOCK;
    const size = storedSize(header, extension);
    const next = await nextHeader(archive, header, block, dataAt, size);
    if (header.type === TYPE.longName || header.type === TYPE.extended)
      extension = { ...extension, ...(await readExtension(archive, header, dataAt)) };
    else if (header.type !== TYPE.global) {
      if (isFile(header)) members.push(await memberOf(archive, header, extension, block, dataAt, size));
      extension = NOTHING;
    }
    at = next;
  }
  return members;
}

function isFile({ type }: TarHeader): boolean {
  return type === TYPE.file || type === TYPE.contiguous || type === TYPE.sparse;
}

/** Sizes of more than 8 GiB may stand in an extended header only. */
function storedSize({ size, type }: TarHeader, { records }: Extension): number {
  const text =
    type === TYPE.extended || type === TYPE.longName || type === TYPE.global ? undefined : records.get('size');
  if (text === undefined) return size;
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw corrupt('A number in the tar archive is damaged');
  return Number(text);
}

/** Old sparse members have blocks of their map before their content, which their size does not count. */
async function nextHeader(
  archive: ByteSource,
  { type }: TarHeader,
  header: Uint8Array,
  dataAt: number,
  size: number,
): Promise<number> {
  let at = dataAt;
  if (type === TYPE.sparse) for await (const block of furtherMaps(archive, header, dataAt)) at += block.length;
  if (at + size > archive.size) throw cutOff();
  return at + roundUp(size, TAR_BLOCK);
}

async function readExtension(archive: ByteSource, { type, size }: TarHeader, at: number): Promise<Partial<Extension>> {
  if (size > LIMITS.extension) throw corrupt('An extended header of the tar archive is too large');
  const bytes = new Uint8Array(size);
  await archive.read(at, bytes);
  return type === TYPE.longName ? { name: textOf(bytes) } : { records: readRecords(bytes) };
}

/** `LENGTH KEY=VALUE\n`, the length in bytes and with itself. */
function readRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = decoder.decode(bytes.subarray(at, space < 0 ? at : space));
    const end = at + Number(digits);
    if (!/^\d{1,7}$/.test(digits) || end > bytes.length || end <= space)
      throw corrupt('An extended header of the tar archive is damaged');
    const [, key, value] = /^([^=]*)=([\s\S]*)\n$/.exec(decoder.decode(bytes.subarray(space + 1, end))) ?? [];
    if (key === undefined || value === undefined) throw corrupt('An extended header of the tar archive is damaged');
    records.set(key, value);
    at = end;
  }
  return records;
}

async function memberOf(
  archive: ByteSource,
  header: TarHeader,
  { name, records }: Extension,
  block: Uint8Array,
  dataAt: number,
  stored: number,
): Promise<TarMember> {
  const full = records.get('GNU.sparse.name') ?? records.get('path') ?? name ?? header.name;
  const content = await contentOf(archive, header, records, block, dataAt, stored);
  return { name: full.replace(/^(\.\/)+/, ''), ...content };
}

function contentOf(
  archive: ByteSource,
  { type }: TarHeader,
  records: ReadonlyMap<string, string>,
  block: Uint8Array,
  dataAt: number,
  stored: number,
): SparseContent | Promise<SparseContent> {
  if (type === TYPE.sparse) return readOldSparse(archive, block, dataAt, stored);
  const realSize = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size') ?? '';
  const map = records.get('GNU.sparse.map');
  if (map !== undefined) return readListedSparse(map, realSize, dataAt, stored);
  if (records.get('GNU.sparse.major') === '1') return readLeadingSparse(archive, realSize, dataAt, stored);
  if (records.has('GNU.sparse.numblocks') || records.has('GNU.sparse.major'))
    throw new ImageError('unsupported', 'The tar archive has sparse files in a notation that is not supported');
  return { size: stored, stretches: stored === 0 ? [] : [{ start: 0, length: stored, host: dataAt }] };
}

function cutOff(): Error {
  return corrupt('The tar archive is cut off');
}
