/** What is known of a local file when it is open. */
import type { FileSystem } from './file-system.js';
import type { Libc } from './libc.js';

/** What `openFile` found out. */
export interface OpenedFile {
  /** As the user or the image named it. */
  readonly name: string;
  readonly fd: number;
  /** The same file without the page cache (O_DIRECT), null if that was not asked for. */
  readonly directFd: number | null;
  readonly kind: 'regular' | 'device';
  readonly fileSystem: FileSystem;
  readonly size: number;
  /** The file did not exist before. */
  readonly created: boolean;
  /** Created or emptied by this opening: what is never written reads as zeros. */
  readonly fresh: boolean;
  /** `flush` has to reach the disk. */
  readonly durable: boolean;
  readonly libc: Libc | null;
  /** Lets go of the locks. */
  readonly unlock: () => void;
}
