/** Disks with partition tables, written by the specification. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

const SECTOR = 512;
const MIB = 1024 * 1024;

interface Part {
  type: string;
  name: string;
  /** MiB. */
  start: number;
  length: number;
}

/** A GUID as it is stored: three fields with the lowest byte first, then eight bytes as they are. */
function guid(text: string): Buffer {
  const [a, b, c, ...rest] = text.split('-') as [string, string, string, string, string];
  const reversed = [a, b, c].map((field) => Buffer.from(field, 'hex').reverse());
  return Buffer.concat([...reversed, Buffer.from(rest.join(''), 'hex')]);
}

/** 64 MiB: a FAT16 called BOOT, an ext4 called system, and swap. */
export function writeGptDisk(path: string): void {
  const parts: Part[] = [
    { type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', name: 'esp', start: 1, length: 8 },
    { type: '0FC63DAF-8483-4772-8E79-3D69D8477DE4', name: 'root', start: 9, length: 40 },
    { type: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F', name: 'paging', start: 49, length: 10 },
  ];
  const entries = Buffer.alloc(128 * 128);
  for (const [index, { type, name, start, length }] of parts.entries()) {
    const at = index * 128;
    guid(type).copy(entries, at);
    entries.fill(index + 1, at + 16, at + 32);
    entries.writeBigUInt64LE(BigInt((start * MIB) / SECTOR), at + 32);
    entries.writeBigUInt64LE(BigInt(((start + length) * MIB) / SECTOR - 1), at + 40);
    entries.write(name, at + 56, 'utf16le');
  }
  const header = Buffer.alloc(SECTOR);
  header.write('EFI PART');
  header.writeBigUInt64LE(2n, 72);
  header.writeUInt32LE(128, 80);
  header.writeUInt32LE(128, 84);
  const fat = Buffer.alloc(SECTOR);
  fat.write('BOOT       FAT16   ', 43);
  fat.writeUInt16LE(0xaa55, 510);
  const ext = Buffer.alloc(SECTOR);
  ext.writeUInt16LE(0xef53, 0x38);
  ext.writeUInt32LE(4, 0x5c);
  ext.writeUInt32LE(0x40, 0x60);
  ext.write('system', 0x78);
  const file = openSync(path, 'w');
  ftruncateSync(file, 64 * MIB);
  writeSync(file, header, 0, header.length, SECTOR);
  writeSync(file, entries, 0, entries.length, 2 * SECTOR);
  writeSync(file, fat, 0, fat.length, MIB);
  writeSync(file, ext, 0, ext.length, 9 * MIB + 1024);
  writeSync(file, Buffer.from('SWAPSPACE2'), 0, 10, 49 * MIB + 4086);
  closeSync(file);
}
