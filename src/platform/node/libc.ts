/**
 * What Node's fs module lacks: holes, space reservation, open-file-description locks, copy offload, the page cache.
 *
 * The calls go to the C library through koffi, an optional dependency. It is loaded when the first file is opened, never
 * at start-up; where it cannot be loaded (or on another system than 64-bit Linux, whose constants these are) `libc()`
 * is null and files work without: all may be data, zeros are written, nothing is locked.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';

/** lseek(2): `whence` for the next byte that is data, and for the next that is not. */
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** fallocate(2): `mode`. */
export const FALLOC_KEEP_SIZE = 0x01;
export const FALLOC_PUNCH_HOLE = 0x02;
export const FALLOC_ZERO_RANGE = 0x10;

/** cachestat(2): number of the call, and the lengths of its two structures in 64-bit words; an empty range is the file. */
const CACHESTAT = 451;
const CACHESTAT_RANGE = 2;
const CACHESTAT_RESULT = 5;

const { EINTR } = constants.errno;

/** Each call returns what the C function returns, or `-errno`. Offsets and lengths are bytes. */
export interface Libc {
  lseek(fd: number, offset: number, whence: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  posixFallocate(fd: number, offset: number, length: number): number;
  /** Runs on a thread; the number of bytes copied may be less than `length`. */
  copyFileRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): Promise<number>;
  /** `argument` is read, written or both, as the request says. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  fcntl(fd: number, command: number, argument: Uint8Array): number;
  /** Bytes of the file that are in memory; -errno where the kernel does not tell (before 6.5), or not this user. */
  cachedBytes(fd: number): number;
}

/** koffi's functions that are used here. */
interface Koffi {
  load(path: string | null): { func(prototype: string): NativeFunction };
  errno(): number;
}

interface NativeFunction {
  (...args: unknown[]): unknown;
  async(...args: unknown[]): void;
}

// The values above and the layout of `struct flock` and ioctl numbers are those of these machines.
const ARCHITECTURES = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: Libc | null | undefined;

/** The C library, or null where there is no way to call it. */
export function libc(): Libc | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

function load(): Libc | null {
  if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) return null;
  const koffi = loadKoffi();
  return koffi && bind(koffi);
}

/** koffi's own loader takes 8 ms of its 10 to find out which binary fits; the usual one is tried first. */
function loadKoffi(): Koffi | null {
  const require = createRequire(import.meta.url);
  const { arch } = process;
  for (const module of [`@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`, 'koffi']) {
    try {
      return require(module) as Koffi;
    } catch {
      // Not installed, or built for another C library.
    }
  }
  return null;
}

function bind(koffi: Koffi): Libc {
  const library = koffi.load(null);
  const lseek = library.func('int64_t lseek(int fd, int64_t offset, int whence)');
  const fallocate = library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
  const posixFallocate = library.func('int posix_fallocate(int fd, int64_t offset, int64_t length)');
  const copyFileRange = library.func(
    'int64_t copy_file_range(int from, int64_t *fromOffset, int to, int64_t *toOffset, size_t length, unsigned int flags)',
  );
  const ioctl = library.func('int ioctl(int fd, unsigned long request, ...)');
  const fcntl = library.func('int fcntl(int fd, int command, ...)');
  const pageSize = library.func('int getpagesize()');
  const systemCall = library.func('long syscall(long number, ...)');

  const call = (native: NativeFunction, ...args: unknown[]): number => {
    for (;;) {
      const result = Number(native(...args));
      if (result !== -1) return result;
      const errno = koffi.errno();
      if (errno !== EINTR) return -errno;
    }
  };
  return {
    lseek: (fd, offset, whence) => call(lseek, fd, offset, whence),
    fallocate: (fd, mode, offset, length) => call(fallocate, fd, mode, offset, length),
    posixFallocate: (fd, offset, length) => -Number(posixFallocate(fd, offset, length)),
    ioctl: (fd, request, argument) => call(ioctl, fd, request, 'void *', argument),
    fcntl: (fd, command, argument) => call(fcntl, fd, command, 'void *', argument),
    cachedBytes(fd) {
      const wholeFile = new BigUint64Array(CACHESTAT_RANGE);
      const result = new BigUint64Array(CACHESTAT_RESULT);
      const error = call(
        systemCall,
        CACHESTAT,
        'unsigned int',
        fd,
        'void *',
        wholeFile,
        'void *',
        result,
        'unsigned int',
        0,
      );
      return error < 0 ? error : Number(result[0]) * Number(pageSize());
    },
    async copyFileRange(from, fromOffset, to, toOffset, length) {
      const args = [from, BigInt64Array.of(BigInt(fromOffset)), to, BigInt64Array.of(BigInt(toOffset)), length, 0];
      const copied = await new Promise<number>((resolve, reject) => {
        copyFileRange.async(...args, (error: unknown, result: unknown) => {
          if (error) reject(error);
          else resolve(Number(result));
        });
      });
      // errno belongs to the thread that made the call; asking again here tells the reason.
      return copied === -1 ? call(copyFileRange, ...args) : copied;
    },
  };
}
