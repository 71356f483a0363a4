/**
 * Images that come packed: compressed by gzip, xz, zstd or bzip2, in a tar archive or an OVA, one in the other.
 *
 * A file of an archive is read where it lies. A compressed stream cannot be read from its middle, so it is unpacked once into
 * temporary storage.
 */
import { ImageError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import type { ByteSource, ByteStore } from '../storage/storage.js';
import { chooseMember } from './choose.js';
import { MemberSource } from './member.js';
import { HEAD_LENGTH, type Packing, packingOf } from './packing.js';
import { spill } from './spill.js';
import { readTar } from './tar/archive.js';
import { UNPACK_LIMIT, type Unpacking, type UnpackWishes } from './unpacking.js';

export interface UnpackContext extends UnpackWishes {
  unpacking: Unpacking;
  kernels: Kernels;
  /** Told of temporary storage, to close it when the image is closed. */
  onScratch(store: ByteStore): void;
  signal?: AbortSignal | undefined;
}

/** Packings in each other: a compressed archive with a compressed disk, and one more. */
const DEEPEST = 4;

/** What the packed file holds; null: it is not packed. Throws `corrupt`, `unsupported`, `no-space`, … */
export async function unpack(source: ByteSource, context: UnpackContext): Promise<ByteSource | null> {
  let content: ByteSource | null = null;
  for (let depth = 0; ; depth++) {
    const at: ByteSource = content ?? source;
    const packing = await packingAt(at);
    if (packing === null) break;
    if (depth === DEEPEST) throw new ImageError('unsupported', 'It is packed too often');
    content = packing === 'tar' ? await memberOf(at, context) : await unpacked(at, packing, context);
  }
  return content;
}

async function packingAt(source: ByteSource): Promise<Packing | null> {
  if (source.size === 0) return null;
  const head = new Uint8Array(Math.min(source.size, HEAD_LENGTH));
  await source.read(0, head);
  return packingOf(head);
}

async function memberOf(archive: ByteSource, { member }: UnpackContext): Promise<ByteSource> {
  const chosen = await chooseMember(archive, await readTar(archive), member);
  return new MemberSource(archive.name, archive, chosen);
}

async function unpacked(source: ByteSource, packing: Packing, context: UnpackContext): Promise<ByteSource> {
  const { unpacking, kernels, limit = UNPACK_LIMIT, signal, onScratch } = context;
  const decoder = unpacking.decoders.get(packing);
  if (decoder === undefined) throw new ImageError('unsupported', `It is compressed by ${packing}: unpack it first`);
  const scratch = await unpacking.createScratch();
  onScratch(scratch.store);
  await spill(source, scratch, { decoder, kernels, limit, signal });
  return scratch.store;
}
