/** The GUID partition table (UEFI specification, chapter 5): a header in sector 1 names an array of entries. */
import { cString, fields } from '../../bytes.js';
import { guidText } from '../guid.js';
import type { ReadPart, TableEntry } from './table.js';

const SIGNATURE = 'EFI PART';
/** The sector size is not written anywhere: where the header is found tells it. */
const SECTOR_SIZES = [512, 4096];

const HEADER = fields('little', {
  signature: [0, { bytes: 8 }],
  /** Sector in which the array begins. */
  entries: [72, 'bits64'],
  count: [80, 'u32'],
  entrySize: [84, 'u32'],
});

const ENTRY = fields('little', {
  type: [0, { bytes: 16 }],
  id: [16, { bytes: 16 }],
  /** First and last sector. */
  first: [32, 'bits64'],
  last: [40, 'bits64'],
  attributes: [48, 'bits64'],
  /** UTF-16. */
  name: [56, { bytes: 72 }],
});

/** What an array may hold at most here: four times the usual. */
const MOST_ENTRIES = 512;
const LARGEST_ENTRY = 1024;

/** Partition type GUIDs that people meet. */
const TYPES: Readonly<Record<string, string>> = {
  'C12A7328-F81F-11D2-BA4B-00A0C93EC93B': 'EFI system',
  '21686148-6449-6E6F-744E-656564454649': 'BIOS boot',
  'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7': 'Basic data',
  'E3C9E316-0B5C-4DB8-817D-F92DF00215AE': 'Microsoft reserved',
  'DE94BBA4-06D1-4D40-A16A-BFD50179D6AC': 'Windows recovery',
  '5808C8AA-7E8F-42E0-85D2-E1E90434CFB3': 'Windows LDM metadata',
  'AF9B60A0-1431-4F62-BC68-3311714A69AD': 'Windows LDM data',
  '0FC63DAF-8483-4772-8E79-3D69D8477DE4': 'Linux',
  '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709': 'Linux root (x86-64)',
  'B921B045-1DF0-41C3-AF44-4C6F280D3FAE': 'Linux root (ARM64)',
  '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F': 'Linux swap',
  'E6D6D379-F507-44C2-A23C-238F2A3DF928': 'Linux LVM',
  'A19D880F-05FC-4D3B-A006-743F0F84911E': 'Linux RAID',
  '933AC7E1-2EB4-4F13-B844-0E14E2AEF915': 'Linux home',
  'BC13C2FF-59E6-4262-A352-B275FD6F7172': 'Linux boot',
  '48465300-0000-11AA-AA11-00306543ECAC': 'Apple HFS+',
  '7C3457EF-0000-11AA-AA11-00306543ECAC': 'Apple APFS',
  '516E7CB6-6ECF-11D6-8FF8-00022D09712B': 'FreeBSD UFS',
  '516E7CBA-6ECF-11D6-8FF8-00022D09712B': 'FreeBSD ZFS',
  '6A898CC3-1DD2-11B2-99A6-080020736631': 'ZFS',
  'FE3A2A5D-4F32-41A7-B725-ACCC3285A309': 'ChromeOS kernel',
  '3CB8E202-3B7E-47DD-8A3C-7FF2A13CFCEC': 'ChromeOS root',
};

const UNUSED = '00000000-0000-0000-0000-000000000000';

/** null: there is none. */
export async function readGpt(read: ReadPart, diskSize: number): Promise<TableEntry[] | null> {
  for (const sector of SECTOR_SIZES) {
    const bytes = await read(sector, HEADER.size);
    if (bytes.length < HEADER.size) return null;
    const header = HEADER.read(bytes);
    if (cString(header.signature) === SIGNATURE) return readEntries(read, header, sector, diskSize);
  }
  return null;
}

async function readEntries(
  read: ReadPart,
  header: ReturnType<typeof HEADER.read>,
  sector: number,
  diskSize: number,
): Promise<TableEntry[]> {
  const size = header.entrySize;
  const at = Number(header.entries) * sector;
  if (size < ENTRY.size || size > LARGEST_ENTRY || at >= diskSize) return [];
  const bytes = await read(at, size * Math.min(header.count, MOST_ENTRIES));
  const entries: TableEntry[] = [];
  for (let number = 1; number * size <= bytes.length; number++) {
    const entry = entryOf(ENTRY.read(bytes, (number - 1) * size), number, sector);
    if (entry !== null && entry.start + entry.length <= diskSize) entries.push(entry);
  }
  return entries;
}

/** null: not in use, or without sense. */
function entryOf(entry: ReturnType<typeof ENTRY.read>, number: number, sector: number): TableEntry | null {
  const type = guidText(entry.type);
  const [first, last] = [Number(entry.first), Number(entry.last)];
  if (type === UNUSED || last < first) return null;
  const [name] = new TextDecoder('utf-16le').decode(entry.name).split('\0');
  return {
    number,
    start: first * sector,
    length: (last - first + 1) * sector,
    type: TYPES[type] ?? type,
    name: name || null,
  };
}
