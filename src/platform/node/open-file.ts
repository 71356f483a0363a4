/** Opening a local file as `qemu-img`'s `file` and `host_device` drivers do: what is refused, locked, emptied. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  truncateSync,
  unlinkSync,
} from 'node:fs';
import { ImageError } from '../../errors.js';
import { errorName, systemError } from './errno.js';
import { FileStore } from './file-store.js';
import { fileSystemOf } from './file-system.js';
import { type Libc, libc as loadLibc, SEEK_END } from './libc.js';
import { type LockKind, lockFile } from './locks.js';
import type { OpenedFile } from './opened-file.js';
import { threadPool } from './thread-pool.js';

/** `-t` and `-T` of `qemu-img`. */
export type CacheMode = 'none' | 'directsync' | 'writethrough' | 'writeback' | 'unsafe';

export interface OpenFileOptions {
  /** 'writeback' unless given. */
  cache?: CacheMode;
  /** Reads although another program may be writing (`-U`). */
  share?: boolean;
  /** The C library; null does without. What `libc()` finds unless given. */
  libc?: Libc | null;
}

/** Space is taken in pieces of this size, in bytes, where the file system lets itself be told. */
const EXTENT_SIZE = 1024 * 1024;

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_DIRECT = 0, O_DSYNC = 0 } = constants;

type Mode = 'read' | 'write' | 'create';

interface Descriptors {
  readonly fd: number;
  directFd: number | null;
}

/**
 * Opens `path`: 'read' an existing file; 'write' one in place; 'create' makes a new file or empties an old one (a device
 * keeps its content). Throws `not-found`, `denied`, `locked`, `invalid` for what is neither a regular file nor a device.
 */
export async function openFile(path: string, mode: Mode, options: OpenFileOptions = {}): Promise<FileStore> {
  refuseOddFiles(path, mode);
  const { fd, created } = openDescriptor(path, mode, options.cache);
  const descriptors: Descriptors = { fd, directFd: null };
  try {
    const file = prepare(path, mode, options, created, descriptors);
    const store = new FileStore(file);
    const isDirect = descriptors.directFd !== null || options.cache === 'writethrough';
    threadPool.serves({ ...file, isWritten: mode !== 'read', isDirect });
    if (store.readsZero) store.hint({ extentSize: EXTENT_SIZE });
    return store;
  } catch (error) {
    if (created) unlinkSync(path);
    if (descriptors.directFd !== null) closeSync(descriptors.directFd);
    closeSync(fd);
    throw error;
  }
}

/** FIFOs must not even be opened: that would wait for the other side. */
function refuseOddFiles(path: string, mode: Mode): void {
  const stats = statIfPossible(path);
  if (stats === undefined || stats.isFile() || stats.isBlockDevice() || stats.isCharacterDevice()) return;
  if (mode === 'create' && stats.isFIFO())
    throw new ImageError('invalid', 'Could not resize file: Invalid argument', { file: path });
  if (mode !== 'read' && stats.isDirectory()) return;
  throw new ImageError('invalid', `'file' driver requires '${path}' to be a regular file`, { file: path });
}

/** Undefined also where the way there fails: opening will say why. */
export function statIfPossible(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function openDescriptor(path: string, mode: Mode, cache?: CacheMode): { fd: number; created: boolean } {
  const sync = cache === 'writethrough' || cache === 'directsync' ? O_DSYNC : 0;
  try {
    if (mode === 'read') return { fd: openSync(path, O_RDONLY), created: false };
    if (mode === 'write') return { fd: openSync(path, O_RDWR | sync), created: false };
    return openOrCreate(path, sync);
  } catch (error) {
    throw named(error, mode === 'create' ? `Could not create '${path}': ` : `Could not open '${path}': `, path);
  }
}

function openOrCreate(path: string, sync: number): { fd: number; created: boolean } {
  try {
    return { fd: openSync(path, O_RDWR | O_CREAT | O_EXCL | sync, 0o644), created: true };
  } catch (error) {
    if (errorName(error) !== 'EEXIST') throw error;
    return { fd: openSync(path, O_RDWR | O_CREAT | sync, 0o644), created: false };
  }
}

function named(error: unknown, prefix: string, file: string): Error {
  const reason = systemError(error, { file });
  return reason instanceof ImageError ? reason.prefixed(prefix) : reason;
}

/** Locks the file, and only then empties it: another program's image must survive the attempt. */
function prepare(
  path: string,
  mode: Mode,
  options: OpenFileOptions,
  created: boolean,
  descriptors: Descriptors,
): OpenedFile {
  const { cache = 'writeback', libc = loadLibc() } = options;
  const { fd } = descriptors;
  const stats = fstatSync(fd);
  const kind = stats.isFile() ? 'regular' : 'device';
  const fresh = mode === 'create' && kind === 'regular';
  if (cache === 'none' || cache === 'directsync') descriptors.directFd = openDirect(path, mode, cache);
  const unlock = lockFile(libc, fd, stats, lockKind(mode, options), path);
  if (fresh && stats.size > 0) empty(fd, path);
  return {
    ...descriptors,
    name: path,
    kind,
    fileSystem: fileSystemOf(path),
    size: fresh ? 0 : kind === 'regular' ? stats.size : deviceSize(libc, fd, stats),
    created,
    fresh,
    durable: cache !== 'unsafe',
    libc,
    unlock,
  };
}

function lockKind(mode: Mode, { share }: OpenFileOptions): LockKind {
  if (mode !== 'read') return 'write';
  return share ? 'shared' : 'read';
}

/**
 * Empties a file through a descriptor of its own, closed at once. The descriptor that is written to stays for the data
 * alone: ext4 writes a file out when the first descriptor after its emptying is closed (ext4(5), auto_da_alloc), and
 * the end of a conversion would wait for that.
 */
function empty(fd: number, path: string): void {
  try {
    truncateSync(`/proc/self/fd/${fd}`, 0);
    return;
  } catch {
    // Another system, or /proc is not there.
  }
  try {
    ftruncateSync(fd, 0);
  } catch (error) {
    throw named(error, 'Could not resize file: ', path);
  }
}

function openDirect(path: string, mode: Mode, cache: CacheMode): number {
  const sync = cache === 'directsync' ? O_DSYNC : 0;
  try {
    return openSync(path, (mode === 'read' ? O_RDONLY : O_RDWR | sync) | O_DIRECT);
  } catch (error) {
    if (errorName(error) === 'EINVAL')
      throw new ImageError('unsupported', `Could not open '${path}': filesystem does not support O_DIRECT`, {
        file: path,
        cause: error,
      });
    throw named(error, `Could not open '${path}': `, path);
  }
}

/** Bytes of a block device; 0 for a character device, which has no size. */
function deviceSize(libc: Libc | null, fd: number, stats: Stats): number {
  if (!stats.isBlockDevice()) return 0;
  if (libc !== null) return Math.max(0, libc.lseek(fd, 0, SEEK_END));
  // Device numbers as makedev(3) packs them.
  const major = Math.floor(stats.rdev / 256) % 4096;
  const minor = (stats.rdev % 256) + Math.floor(stats.rdev / 2 ** 20) * 256;
  return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'latin1')) * 512;
}
