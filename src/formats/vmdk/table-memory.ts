/** How much memory grain tables may take. */

/** Bytes of grain tables of all extents of a disk together. */
export const TABLE_MEMORY = 32 * 1024 * 1024;
/** Bytes of those of an extent, at least. */
const LEAST = 64 * 1024;

/** Bytes for each extent of a disk that has `extents` of them. */
export function tableMemory(extents: number): number {
  return Math.max(LEAST, Math.floor(TABLE_MEMORY / Math.max(1, extents)));
}
