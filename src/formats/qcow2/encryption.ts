/**
 * Encryption of the guest's clusters; metadata stay as they are.
 *
 * | method | key | sectors are counted |
 * |---|---|---|
 * | LUKS | from a LUKS header in the image | in the file |
 * | AES (deprecated) | the passphrase itself: AES-128-CBC | in the guest's disk |
 *
 * Specification: QEMU, docs/interop/qcow2, "Header" (crypt_method) and "Full disk encryption header pointer".
 */
import type { SectorCipher } from '../../crypto/sector-cipher.js';
import { corrupt, ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import { DecryptedSource, EncryptedStore } from '../../image/encrypted-store.js';
import { checkEncryptionFormat, type EncryptionMethod, encryptionUnavailable } from '../../image/encryption.js';
import type { Json, PreparedRun } from '../../image/image.js';
import { legacyAesCipher, SECRET_OPTION } from '../../image/legacy-aes.js';
import { describeLuks } from '../../image/luks/describe.js';
import { type LuksHeader, readLuksHeader } from '../../image/luks/header.js';
import { openLuksCipher } from '../../image/luks/open.js';
import type { Piece } from '../../kernels/kernels.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import type { QcowHeader } from './header.js';
import { CRYPT } from './layout.js';
import { wholeClusters } from './stretches.js';

/** What encrypts clusters. */
export interface ClusterCipher {
  readonly sectors: SectorCipher;
  /** Sectors are counted in the file (LUKS), not in the guest's disk (AES). */
  readonly byHost: boolean;
}

export interface OpenedEncryption {
  /** The `encrypt` object of `info`; null if the image is not encrypted. */
  details: { [key: string]: Json } | null;
  /** null: not encrypted, or not to be read. */
  cipher: ClusterCipher | null;
  /** Why there is no cipher; null if there is one, or no need for it. */
  failure: ImageError | null;
}

/** Throws `corrupt` for a broken LUKS header, `invalid` where the options speak of another encryption. */
export async function openEncryption(
  source: ByteSource,
  header: QcowHeader,
  context: DriverContext,
): Promise<OpenedEncryption> {
  const { runtimeOptions = {} } = context;
  checkEncryptionFormat(formatOf(header), runtimeOptions['encrypt.format']);
  if (header.cryptMethod === CRYPT.none) return { details: null, cipher: null, failure: null };
  const luks = header.cryptMethod === CRYPT.luks ? await readContainer(source, header) : null;
  const details = { ...(luks === null ? {} : describeLuks(luks.header)), format: luks === null ? 'aes' : 'luks' };
  const opened = await openCipher(source, luks, context);
  if (opened instanceof ImageError) return { details, cipher: null, failure: opened };
  return { details, cipher: { sectors: opened, byHost: luks !== null }, failure: null };
}

function formatOf({ cryptMethod }: QcowHeader): EncryptionMethod | null {
  if (cryptMethod === CRYPT.none) return null;
  return cryptMethod === CRYPT.aes ? 'aes' : 'luks';
}

/** A LUKS header within the image, and the byte where it begins. */
export interface Container {
  header: LuksHeader;
  offset: number;
}

/** The LUKS header of an image that is encrypted so. */
export async function readContainer(source: ByteSource, { extensions }: QcowHeader): Promise<Container> {
  const { offset, length } = extensions.encryption!;
  if (offset + length > source.size) throw corrupt('Request for data outside of extension header');
  const header = await readLuksHeader(source, offset);
  if (header.payloadOffset > length) throw corrupt('Request for data outside of extension header');
  return { header, offset };
}

async function openCipher(
  source: ByteSource,
  luks: Container | null,
  { encryption, runtimeOptions = {} }: DriverContext,
): Promise<SectorCipher | ImageError> {
  if (encryption === undefined) return encryptionUnavailable();
  if (!encryption.content) return new ImageError('denied', 'The image was opened without its key');
  const option = { name: SECRET_OPTION, id: runtimeOptions[SECRET_OPTION] };
  if (luks !== null) return openLuksCipher(encryption, source, luks.header, option, luks.offset);
  try {
    return await legacyAesCipher(encryption, option.id);
  } catch (error) {
    if (error instanceof ImageError) return error;
    throw error;
  }
}

/** Where clear bytes are read: guest byte `guest`, which lies at byte `host` of `data`. */
export function clearBytes(
  data: ByteSource,
  cipher: ClusterCipher | null,
  guest: number,
  host: number,
): { source: ByteSource; offset: number } {
  if (cipher === null) return { source: data, offset: host };
  if (cipher.byHost) return { source: new DecryptedSource(data, cipher.sectors), offset: host };
  return { source: new DecryptedSource(data, cipher.sectors, host - guest), offset: guest };
}

/** Where clear bytes are written, as `clearBytes`. */
export function clearStore(
  data: ByteStore,
  cipher: ClusterCipher | null,
  guest: number,
  host: number,
): { store: ByteStore; offset: number } {
  if (cipher === null) return { store: data, offset: host };
  if (cipher.byHost) return { store: new EncryptedStore(data, cipher.sectors), offset: host };
  return { store: new EncryptedStore(data, cipher.sectors, host - guest), offset: guest };
}

/**
 * A run with its data encrypted by the place in the guest's disk, in whole clusters.
 *
 * @param zerosToo zeros have to be stored, and so encrypted
 */
export function encryptedRun(
  run: PreparedRun,
  cipher: SectorCipher,
  clusterSize: number,
  zerosToo: boolean,
): PreparedRun {
  const pieces: Piece[] = [];
  for (const { kind, start, end, pieces: parts } of wholeClusters(run, clusterSize)) {
    const length = end - start;
    if (kind === 'zero' && !zerosToo) pieces.push({ kind: 'zero', offset: start, length });
    else {
      const bytes = new Uint8Array(length);
      for (const part of parts) if (part.kind === 'data') bytes.set(part.bytes, part.offset - start);
      cipher.encrypt(bytes, bytes, start / SECTOR);
      pieces.push({ kind: 'data', offset: start, length, bytes });
    }
  }
  return { ...run, pieces };
}

const SECTOR = 512;
