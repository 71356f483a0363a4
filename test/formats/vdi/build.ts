/** VDI images, field by field, as VirtualBox lays them out: data at 1 MiB. */
const MIB = 1024 * 1024;

/** A block of this byte; 'parent': never written; 'zero': discarded. */
export type Block = number | 'parent' | 'zero';

export interface VdiParts {
  /** 1: dynamic, 2: static, 4: differencing. */
  type: number;
  /** Bytes; default: that of the blocks. */
  size?: number;
  blocks: Block[];
  /** Single digits stand for a whole UUID. */
  uuid: string;
  content: string;
  parent?: string;
  parentContent?: string;
}

/** `7` as a UUID of sevens. */
export function uuidOf(digit: string): string {
  return [8, 4, 4, 4, 12].map((count) => digit.repeat(count)).join('-');
}

export function buildVdi({ type, size, blocks, uuid, content, parent = '0', parentContent = '0' }: VdiParts): Buffer {
  const stored = blocks.filter((block) => typeof block === 'number');
  const image = Buffer.alloc((1 + stored.length) * MIB);
  image.write('<<< Oracle VM VirtualBox Disk Image >>>\n', 0);
  image.writeUInt32LE(0xbeda107f, 64);
  image.writeUInt32LE(0x00010001, 68);
  image.writeUInt32LE(400, 72);
  image.writeUInt32LE(type, 76);
  image.writeUInt32LE(MIB / 2, 340);
  image.writeUInt32LE(MIB, 344);
  image.writeUInt32LE(512, 360);
  image.writeBigUInt64LE(BigInt(size ?? blocks.length * MIB), 368);
  image.writeUInt32LE(MIB, 376);
  image.writeUInt32LE(blocks.length, 384);
  image.writeUInt32LE(stored.length, 388);
  for (const [index, digit] of [uuid, content, parent, parentContent].entries())
    image.write(digit.repeat(32), 392 + 16 * index, 'hex');
  let next = 0;
  for (const [index, block] of blocks.entries()) {
    const entry = block === 'parent' ? 0xffffffff : block === 'zero' ? 0xfffffffe : next++;
    image.writeUInt32LE(entry, MIB / 2 + 4 * index);
    if (typeof block === 'number') image.fill(block, (1 + entry) * MIB, (2 + entry) * MIB);
  }
  return image;
}
