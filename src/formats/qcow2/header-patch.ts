/** Changing fields of the header where it lies, in one write; all else in it stays. */
import type { ByteStore } from '../../storage/storage.js';
import { HEADER_V2 } from './layout.js';

/** Fields by their names, as they are stored. */
export type HeaderFields = Parameters<typeof HEADER_V2.write>[1];

/** Writes the fields unless they are so already; returns whether it did. */
export async function patchHeader(store: ByteStore, fields: HeaderFields): Promise<boolean> {
  const before = new Uint8Array(HEADER_V2.size);
  await store.read(0, before);
  const after = before.slice();
  HEADER_V2.write(after, fields);
  if (after.every((byte, index) => byte === before[index])) return false;
  await store.write(0, after);
  return true;
}
