/**
 * Failures of the operating system, by the names and Linux numbers of errno.
 *
 * The message is the text of strerror(3), which is what `qemu-img` prints.
 */
import { type ErrorCode, type ErrorContext, ImageError } from '../errors.js';

/** What a program tells apart, and what a person reads. */
export type SystemErrorReason = readonly [code: ErrorCode, text: string];

/** Those that storage meets, with their numbers on Linux. */
export const SYSTEM_ERRORS: { readonly [name: string]: readonly [number: number, ...reason: SystemErrorReason] } = {
  EPERM: [1, 'denied', 'Operation not permitted'],
  ENOENT: [2, 'not-found', 'No such file or directory'],
  EINTR: [4, 'io', 'Interrupted system call'],
  EIO: [5, 'io', 'Input/output error'],
  ENXIO: [6, 'io', 'No such device or address'],
  EBADF: [9, 'io', 'Bad file descriptor'],
  EAGAIN: [11, 'locked', 'Resource temporarily unavailable'],
  ENOMEM: [12, 'io', 'Cannot allocate memory'],
  EACCES: [13, 'denied', 'Permission denied'],
  EBUSY: [16, 'locked', 'Device or resource busy'],
  EEXIST: [17, 'exists', 'File exists'],
  EXDEV: [18, 'unsupported', 'Invalid cross-device link'],
  ENODEV: [19, 'not-found', 'No such device'],
  ENOTDIR: [20, 'not-found', 'Not a directory'],
  EISDIR: [21, 'invalid', 'Is a directory'],
  EINVAL: [22, 'invalid', 'Invalid argument'],
  ENFILE: [23, 'io', 'Too many open files in system'],
  EMFILE: [24, 'io', 'Too many open files'],
  ETXTBSY: [26, 'locked', 'Text file busy'],
  EFBIG: [27, 'no-space', 'File too large'],
  ENOSPC: [28, 'no-space', 'No space left on device'],
  ESPIPE: [29, 'invalid', 'Illegal seek'],
  EROFS: [30, 'denied', 'Read-only file system'],
  EPIPE: [32, 'disconnected', 'Broken pipe'],
  ENAMETOOLONG: [36, 'invalid', 'File name too long'],
  ENOLCK: [37, 'io', 'No locks available'],
  ENOSYS: [38, 'unsupported', 'Function not implemented'],
  ELOOP: [40, 'invalid', 'Too many levels of symbolic links'],
  EOVERFLOW: [75, 'invalid', 'Value too large for defined data type'],
  EOPNOTSUPP: [95, 'unsupported', 'Operation not supported'],
  EADDRINUSE: [98, 'io', 'Address already in use'],
  ENETUNREACH: [101, 'disconnected', 'Network is unreachable'],
  ECONNABORTED: [103, 'disconnected', 'Software caused connection abort'],
  ECONNRESET: [104, 'disconnected', 'Connection reset by peer'],
  ETIMEDOUT: [110, 'disconnected', 'Connection timed out'],
  ECONNREFUSED: [111, 'disconnected', 'Connection refused'],
  EHOSTUNREACH: [113, 'disconnected', 'No route to host'],
  ESTALE: [116, 'io', 'Stale file handle'],
  EDQUOT: [122, 'no-space', 'Disk quota exceeded'],
};

/** The failure that a Linux number stands for, wherever this runs: numbers in options and in protocols. */
export function linuxError(number: number, context: ErrorContext = {}): ImageError {
  const [, code, text] = Object.values(SYSTEM_ERRORS).find(([known]) => known === number) ?? [
    number,
    'io',
    `Unknown error ${number}`,
  ];
  return new ImageError(code, text, context);
}
