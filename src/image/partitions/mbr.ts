/**
 * The master boot record: four entries in sector 0, of which one may be an extended partition, a chain of further
 * records with one logical partition each.
 */
import { fields } from '../../bytes.js';
import type { ReadPart, TableEntry } from './table.js';

const SECTOR = 512;

const RECORD = fields('little', { entries: [446, { bytes: 64 }], signature: [510, 'u16'] });
const SIGNATURE = 0xaa55;

/** Sectors count from somewhere that the entry does not say. */
const ENTRY = fields('little', { status: [0, 'u8'], type: [4, 'u8'], start: [8, 'u32'], sectors: [12, 'u32'] });
/** `status`: this bit says that it can be booted, and no other bit is ever set. */
const ACTIVE = 0x80;

const EXTENDED = [0x05, 0x0f, 0x85];
/** Logical partitions are counted from here. */
const FIRST_LOGICAL = 5;
/** Links of the chain that are followed: an image may claim an endless one. */
const MOST_LOGICAL = 64;

/** Type bytes that people meet. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'FAT12',
  4: 'FAT16',
  5: 'Extended',
  6: 'FAT16',
  7: 'NTFS / exFAT',
  11: 'FAT32',
  12: 'FAT32 (LBA)',
  14: 'FAT16 (LBA)',
  15: 'Extended (LBA)',
  39: 'Windows recovery',
  130: 'Linux swap',
  131: 'Linux',
  133: 'Linux extended',
  142: 'Linux LVM',
  165: 'FreeBSD',
  166: 'OpenBSD',
  175: 'Apple HFS',
  238: 'GPT protective',
  239: 'EFI system',
  253: 'Linux RAID',
};

type RecordEntry = ReturnType<typeof ENTRY.read>;

/** null: there is none. */
export async function readMbr(read: ReadPart, diskSize: number): Promise<TableEntry[] | null> {
  const record = recordOf(await read(0, SECTOR));
  if (record === null) return null;
  const entries: TableEntry[] = [];
  for (const [index, entry] of record.entries()) {
    if (entry.type === 0 || entry.sectors === 0) continue;
    entries.push(entryOf(entry, index + 1, 0));
    if (EXTENDED.includes(entry.type)) entries.push(...(await readLogical(read, entry.start)));
  }
  const inside = entries.filter(({ start, length }) => start + length <= diskSize);
  return inside.length === 0 ? null : inside;
}

/** The chain that begins in sector `base`; its links count from there. */
async function readLogical(read: ReadPart, base: number): Promise<TableEntry[]> {
  const entries: TableEntry[] = [];
  let at = base;
  for (let number = FIRST_LOGICAL; number < FIRST_LOGICAL + MOST_LOGICAL; number++) {
    const record = recordOf(await read(at * SECTOR, SECTOR));
    if (record === null) break;
    const [logical, next] = record as [RecordEntry, RecordEntry];
    if (logical.sectors > 0) entries.push(entryOf(logical, number, at));
    if (next.start === 0 || !EXTENDED.includes(next.type)) break;
    at = base + next.start;
  }
  return entries;
}

/** Four entries; null: this sector is not a boot record. A boot loader's code may look like entries, but for their status. */
function recordOf(bytes: Uint8Array): RecordEntry[] | null {
  if (bytes.length < SECTOR) return null;
  const { entries, signature } = RECORD.read(bytes);
  if (signature !== SIGNATURE) return null;
  const record = [0, 16, 32, 48].map((at) => ENTRY.read(entries, at));
  return record.some(({ status }) => (status & ~ACTIVE) !== 0) ? null : record;
}

function entryOf({ type, start, sectors }: RecordEntry, number: number, base: number): TableEntry {
  return {
    number,
    start: (base + start) * SECTOR,
    length: sectors * SECTOR,
    type: TYPES[type] ?? `type ${type.toString(16).padStart(2, '0')}`,
    name: null,
  };
}
