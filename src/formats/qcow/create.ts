/** Making qcow images, laid out as `qemu-img create -f qcow` does it. */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockWriter } from '../../image/blocks/block-writer.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { type OptionTable, STORAGE_PREALLOCATION } from '../../image/options.js';
import type { UnitEncoding } from '../../kernels/kernels.js';
import type { ByteStore } from '../../storage/storage.js';
import { createCipher } from './encryption.js';
import { l1Entries } from './header.js';
import { CRYPT, ENTRY_SIZE, GEOMETRY, HEADER, LIMITS, MAGIC, type QcowHeader, SECTOR, VERSION } from './layout.js';
import { qcowMap } from './map.js';

export const createOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  { name: 'backing_file', type: 'string', help: 'File name of a base image' },
  { name: 'backing_fmt', type: 'string', help: 'Format of the backing image' },
  {
    name: 'encryption',
    type: 'bool',
    help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)",
  },
  { name: 'encrypt.format', type: 'string', help: "Encrypt the image, format choices: 'aes'", values: ['aes'] },
  { name: 'encrypt.key-secret', type: 'string', help: 'ID of the secret that provides the AES encryption key' },
  { name: 'nocow', type: 'bool', help: 'Turn off copy-on-write (valid only on btrfs)', storage: true },
  {
    name: 'preallocation',
    type: 'string',
    help: 'Preallocation mode (allowed values: off, falloc, full)',
    values: STORAGE_PREALLOCATION,
    storage: true,
  },
  { name: 'extent_size_hint', type: 'size', help: 'Extent size hint for the image file, 0 to disable', storage: true },
  { name: 'compression_level', type: 'number', help: 'Effort of compression: 1 to 12 (6)', own: true },
];

const LEVEL = { least: 1, most: 12, default: 6 };

/** Makes an empty image; it is not valid before the writer has finished. Throws `invalid`, `unsupported`. */
export async function createQcow(
  target: ByteStore,
  request: CreateRequest,
  context: DriverContext,
): Promise<BlockWriter> {
  const { options, compress, backing } = request;
  const cipher = await createCipher(options, context);
  const name = new TextEncoder().encode(backing?.name ?? '');
  const header = newHeader(request, name.length, cipher !== null);
  const l1Bytes = roundUp(l1Entries(header) * ENTRY_SIZE, SECTOR);
  const space = new AppendSpace(header.l1TableOffset + l1Bytes);
  if (target.readsZero) await target.truncate(space.end);
  else await target.zero(0, space.end);
  await target.write(HEADER.size, name);
  const map = qcowMap(header, target, target, space);
  return new BlockWriter({
    store: target,
    kernels: context.kernels,
    map,
    size: header.size,
    encoding: compress ? encodingOf(map.blockSize, Number(options.compression_level ?? LEVEL.default)) : null,
    cipher,
    hasBacking: backing !== undefined,
    flush: request.flush,
    async complete() {
      if (target.readsZero || target.size < space.end) await target.truncate(space.end);
      const bytes = new Uint8Array(HEADER.size);
      HEADER.write(bytes, header);
      await target.write(0, bytes);
    },
  });
}

/** QEMU inflates with a window of 12 bits, and a stream must be shorter than its cluster. */
function encodingOf(unit: number, level: number): UnitEncoding {
  if (level < LEVEL.least || level > LEVEL.most)
    throw new ImageError('invalid', `Compression level must be between ${LEVEL.least} and ${LEVEL.most}`);
  return { codec: 'deflate', unit, level, window: 4096, limit: unit - 1 };
}

function newHeader({ size, backing }: CreateRequest, nameLength: number, isEncrypted: boolean): QcowHeader {
  if (size === 0) throw new ImageError('invalid', 'Image size is too small, cannot be zero length');
  if (nameLength > LIMITS.backingName) throw new ImageError('invalid', 'Backing file name too long');
  const header = {
    magic: MAGIC,
    version: VERSION,
    backingNameOffset: backing === undefined ? 0 : HEADER.size,
    backingNameSize: nameLength,
    modified: 0,
    size: roundUp(size, SECTOR),
    ...(backing === undefined ? GEOMETRY.alone : GEOMETRY.overBacking),
    padding: 0,
    cryptMethod: isEncrypted ? CRYPT.aes : CRYPT.none,
    l1TableOffset: roundUp(HEADER.size + nameLength, ENTRY_SIZE),
  };
  if (l1Entries(header) * ENTRY_SIZE > LIMITS.l1Table) throw new ImageError('invalid', 'Image too large');
  return header;
}
