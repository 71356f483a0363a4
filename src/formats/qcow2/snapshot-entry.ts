/**
 * Entries of the snapshot table as they are stored.
 *
 * Specification: QEMU, docs/interop/qcow2, "Snapshots". Whoever writes the table anew keeps what it does not know: extra
 * data behind the known fields, and names that are no text.
 */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { LIMITS, SNAPSHOT, SNAPSHOT_EXTRA } from './layout.js';

/** An entry, with all that is needed to write it again. */
export interface StoredEntry {
  fixed: ReturnType<typeof SNAPSHOT.read>;
  /** Bytes of extra data that the entry claims, cut to what is allowed. */
  extraSize: number;
  /** So many of them as are known or may be kept. */
  extraData: Uint8Array;
  /** Up to the first zero byte, as programs in C see them. */
  idBytes: Uint8Array;
  nameBytes: Uint8Array;
}

/** No icount was recorded. */
export const NO_ICOUNT = 0xffff_ffff_ffff_ffffn;

export function upToNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** The known extra data of an entry, with what older versions leave out filled in. */
export function completeExtra({ fixed, extraSize, extraData }: StoredEntry, diskSize: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(SNAPSHOT_EXTRA.size, extraData.length));
  SNAPSHOT_EXTRA.write(bytes, {
    vmStateSize: BigInt(fixed.vmStateSize32),
    diskSize: BigInt(diskSize),
    icount: NO_ICOUNT,
  });
  // Half a field is none.
  const known = Math.min(SNAPSHOT_EXTRA.size, extraSize - (extraSize % 8));
  bytes.set(extraData.subarray(0, known));
  bytes.set(extraData.subarray(SNAPSHOT_EXTRA.size), SNAPSHOT_EXTRA.size);
  return bytes;
}

/**
 * The table with complete entries.
 *
 * @param diskSize the size of the disk now, for entries that do not tell theirs; bytes
 */
export function serializeEntries(entries: readonly StoredEntry[], diskSize: number): Uint8Array {
  const parts = entries.map((entry) => entryBytes(entry, diskSize));
  let length = 0;
  for (const part of parts) length = roundUp(length, 8) + part.length;
  if (length > LIMITS.snapshotTableBytes) throw new ImageError('corrupt', 'File too large');
  const table = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    at = roundUp(at, 8);
    table.set(part, at);
    at += part.length;
  }
  return table;
}

function entryBytes(entry: StoredEntry, diskSize: number): Uint8Array {
  const { fixed, idBytes, nameBytes } = entry;
  const extra = completeExtra(entry, diskSize);
  // Programs that know only this field are to see no state rather than a part of it.
  const { vmStateSize } = SNAPSHOT_EXTRA.read(extra);
  const bytes = new Uint8Array(SNAPSHOT.size + extra.length + idBytes.length + nameBytes.length);
  SNAPSHOT.write(bytes, {
    ...fixed,
    vmStateSize32: vmStateSize <= 0xffff_ffffn ? Number(vmStateSize) : 0,
    idLength: idBytes.length,
    nameLength: nameBytes.length,
    extraDataSize: extra.length,
  });
  bytes.set(extra, SNAPSHOT.size);
  bytes.set(idBytes, SNAPSHOT.size + extra.length);
  bytes.set(nameBytes, SNAPSHOT.size + extra.length + idBytes.length);
  return bytes;
}
