/** What unpacking needs of the platform. */
import type { StreamDecoder } from '../codecs/stream.js';
import type { ByteStore } from '../storage/storage.js';

/** Temporary storage: empty, and gone once it is closed. */
export interface Scratch {
  store: ByteStore;
  /** Bytes that could still be written now; null: nobody knows. */
  room(): number | null;
}

export interface Unpacking {
  /** By the name of the packing: `gzip`, `xz`, `zstd`, `bzip2`. */
  readonly decoders: ReadonlyMap<string, StreamDecoder>;
  /** Throws what creating a file throws. */
  createScratch(): Promise<Scratch>;
}

/** What the user says of packed files. */
export interface UnpackWishes {
  /** The file in the archive that is meant; absent: found out. */
  member?: string | undefined;
  /** The most bytes that a packed file may become, holes included; absent: `UNPACK_LIMIT`. */
  limit?: number | undefined;
}

/** 1 TiB. */
export const UNPACK_LIMIT = 2 ** 40;
