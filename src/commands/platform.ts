/**
 * What the commands need of the world.
 *
 * The commands themselves know no environment: Node's command line, a library user and the web app each hand in a
 * `Platform`, and with it the protocols by which names become storage.
 */
import type { Cryptography } from '../crypto/cryptography.js';
import type { Json } from '../image/image.js';
import type { OptionTable } from '../image/options.js';
import type { Kernels } from '../kernels/kernels.js';
import type { ByteStore } from '../storage/storage.js';
import type { Unpacking } from '../unpack/unpacking.js';

/** `-t` and `-T` of `qemu-img`; `unsafe` never flushes. */
export type CacheMode = 'none' | 'writeback' | 'unsafe' | 'directsync' | 'writethrough';

/** How a storage is to be opened. */
export interface Access {
  /** 'create' makes a new file or empties an existing one. */
  mode: 'read' | 'write' | 'create';
  cache: CacheMode;
  /** Read although somebody else may be writing (-U). */
  share: boolean;
  /** Zeroed ranges stay allocated (-S 0). */
  keepAllocated?: boolean;
  /** It is only looked at, to see whether it is what is wanted. */
  glance?: boolean;
  signal?: AbortSignal | undefined;
}

/** A storage, and what `info` tells of it. */
export interface OpenStorage {
  store: ByteStore;
  /** The protocol driver: `file`, `host_device`, `nbd`, … */
  driver: string;
  /** The name by which it can be opened again; null: only its options say it. */
  fileName: string | null;
  /** The options that say the same, with flat names, for `json:` names; without `driver`. */
  options: { [key: string]: Json };
  /** Bytes that it occupies where it is kept; null: nobody knows. */
  allocated: number | null;
  /** `dirty-flag` is told of it. */
  hasFlags: boolean;
  /** `format-specific` of `info`, where the protocol has any. */
  specific?: { type: string; data: { [key: string]: Json } };
  /**
   * After a failure, before closing: takes away what this opening has created or empties what it has overwritten, so
   * that nothing looks like a finished image. Absent: nothing of the kind.
   */
  discard?(): void;
  /** After a failure to make an image in it, before closing: takes it away even if it was there before. */
  remove?(): void;
  /** Copies from another storage of the same kind without passing the bytes through here (-C); false: cannot. */
  copyFrom?(source: ByteStore, sourceOffset: number, offset: number, length: number): Promise<boolean>;
}

/** A file name as given, or options with flat names (`server.host`), `driver` taken out. */
export type Address = string | ReadonlyMap<string, string>;

/** A protocol driver: the lowest layer of an image. */
export interface Protocol {
  /** The names that `driver=` takes, the usual one first. */
  readonly names: readonly string[];
  /** What comes before the colon of its file names: `nbd` of `nbd://host`. */
  readonly prefixes: readonly string[];
  /** What `-o` takes besides the format's own options; null: it cannot create, the storage must exist. */
  readonly createOptions: OptionTable | null;
  /** The local path that is meant; null: it is not a local file. For the policy on references. */
  localPath(address: Address): string | null;
  /** Throws `ImageError` with `qemu-img`'s words: `Could not open 'x': No such file or directory`. */
  open(address: Address, access: Access): Promise<OpenStorage>;
}

export interface Platform {
  /** The one for file names without a prefix comes first. */
  readonly protocols: readonly Protocol[];
  readonly kernels: Kernels;
  /** For encrypted images. */
  readonly crypto: Cryptography;
  /** Absent: packed files are taken for raw disks. */
  readonly unpacking?: Unpacking;
  /** Absolute and without symbolic links; what does not exist is taken literally. */
  realPath(path: string): Promise<string>;
  /** Names of what is in a directory, ascending; '' is the working directory. None where there is no directory. */
  filesIn(directory: string): Promise<string[]>;
  /** 'none' where there is nothing. */
  kindOf(path: string): Promise<'file' | 'directory' | 'device' | 'other' | 'none'>;
}
