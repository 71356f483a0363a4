/** Reading and checking the header of a VDI image; the order and the words of the checks are QEMU's. */
import { roundUp } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { BLOCK, HEADER, MOST_BLOCKS, SECTOR, SIGNATURE, TYPE, type VdiHeader, VERSION_1_1 } from './layout.js';

/** Throws `corrupt` or `unsupported`. The header's `diskSize` is rounded up to whole sectors. */
export async function readHeader(source: ByteSource): Promise<VdiHeader> {
  const bytes = new Uint8Array(HEADER.size);
  await readPadded(source, 0, bytes);
  const header = HEADER.read(bytes);
  checkSize(header.diskSize);
  header.diskSize = roundUp(header.diskSize, SECTOR);
  checkFields(header);
  return header;
}

/** Why the disk cannot be read though its header is right: the file ends within the block map. */
export function mapFailure({ mapOffset, blocksInImage }: VdiHeader, source: ByteSource): ImageError | null {
  if (mapOffset + blocksInImage * 4 <= roundUp(source.size, SECTOR)) return null;
  return corrupt('The block map ends beyond the end of the file', { file: source.name });
}

/** Throws `unsupported` for a disk of more blocks than a map can have. */
export function checkSize(size: number): void {
  const most = MOST_BLOCKS * BLOCK;
  if (size > most) {
    const hex = (value: number) => `0x${value.toString(16)}`;
    throw unsupported(`Unsupported VDI image size (size is ${hex(size)}, max supported is ${hex(most)})`);
  }
}

function checkFields(header: VdiHeader): void {
  const hex = (value: number) => `0x${value.toString(16)}`;
  const refuse = (why: string) => unsupported(`unsupported VDI image (${why})`);
  if (header.signature !== SIGNATURE) {
    const found = header.signature.toString(16).padStart(8, '0');
    throw corrupt(`Image not in VDI format (bad signature ${found})`);
  }
  if (header.version !== VERSION_1_1) throw refuse(`version ${header.version >>> 16}.${header.version & 0xffff}`);
  if (header.mapOffset % SECTOR !== 0) throw refuse(`unaligned block map offset ${hex(header.mapOffset)}`);
  if (header.dataOffset % SECTOR !== 0) throw refuse(`unaligned data offset ${hex(header.dataOffset)}`);
  if (header.sectorSize !== SECTOR) throw refuse(`sector size ${header.sectorSize} is not ${SECTOR}`);
  if (header.blockSize !== BLOCK) throw refuse(`block size ${header.blockSize} is not ${BLOCK}`);
  const room = header.blocksInImage * BLOCK;
  if (header.diskSize > room) throw refuse(`disk size ${header.diskSize}, image bitmap has room for ${room}`);
  if (header.imageType === TYPE.differencing) {
    if (isNull(header.parentImageUuid)) throw corrupt('The differencing VDI image names no parent');
  } else {
    if (!isNull(header.parentImageUuid)) throw refuse('non-NULL link UUID');
    if (!isNull(header.parentContentUuid)) throw refuse('non-NULL parent UUID');
  }
  if (header.blocksInImage > MOST_BLOCKS)
    throw refuse(`too many blocks ${header.blocksInImage}, max is ${MOST_BLOCKS}`);
}

/** It identifies nothing. */
export function isNull(uuid: Uint8Array): boolean {
  return uuid.every((byte) => byte === 0);
}

function unsupported(message: string): ImageError {
  return new ImageError('unsupported', message);
}
