/** What a disk holds, from a look at a few of its sectors: its partition table and the file systems by their names. */

import type { Image } from '../image.js';
import { detectFileSystem, FILE_SYSTEM_PROBE, type FileSystem } from './file-systems.js';
import { readGpt } from './gpt.js';
import { readMbr } from './mbr.js';
import type { TableEntry } from './table.js';

export interface Partition extends TableEntry {
  /** null: none that is known. */
  fileSystem: FileSystem | null;
}

export interface PartitionTable {
  /** `none`: a file system lies on the bare disk. */
  scheme: 'gpt' | 'mbr' | 'none';
  partitions: Partition[];
}

/** Partitions whose file systems are looked for; what an image claims beyond that is listed only. */
const MOST_PROBES = 32;

/** Reads at most some megabytes. null: nothing that is known. Throws what reading the disk throws. */
export async function readPartitions(disk: Image): Promise<PartitionTable | null> {
  const read = (offset: number, length: number) => readPart(disk, offset, length);
  const gpt = await readGpt(read, disk.size);
  const bare = gpt === null ? await fileSystemAt(disk, 0, disk.size) : null;
  if (bare !== null) {
    const whole = { number: 1, start: 0, length: disk.size, type: 'whole disk', name: null, fileSystem: bare };
    return { scheme: 'none', partitions: [whole] };
  }
  const entries = gpt ?? (await readMbr(read, disk.size));
  if (entries === null) return null;
  const partitions: Partition[] = [];
  for (const entry of entries) {
    const probed = partitions.length < MOST_PROBES;
    partitions.push({ ...entry, fileSystem: probed ? await fileSystemAt(disk, entry.start, entry.length) : null });
  }
  return { scheme: gpt === null ? 'mbr' : 'gpt', partitions };
}

async function fileSystemAt(disk: Image, start: number, length: number): Promise<FileSystem | null> {
  return detectFileSystem(await readPart(disk, start, Math.min(length, FILE_SYSTEM_PROBE)));
}

/** Shorter at the end of the disk. */
async function readPart(disk: Image, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.max(0, Math.min(length, disk.size - offset)));
  if (bytes.length > 0) await disk.read(offset, bytes);
  return bytes;
}
