/** What the readers of partition tables have in common. */

/** Reads a range of the disk, shorter at its end. */
export type ReadPart = (offset: number, length: number) => Promise<Uint8Array>;

/** A partition as its table has it: a stretch of the disk, in bytes. */
export interface TableEntry {
  /** As the operating systems count them, from 1. */
  number: number;
  start: number;
  length: number;
  /** What the table says it is for: `Linux`, `EFI system`; else the number or GUID itself. */
  type: string;
  /** GPT partitions have names. */
  name: string | null;
}
