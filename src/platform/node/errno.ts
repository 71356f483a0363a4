/**
 * The operating system's errors as `ImageError`s.
 *
 * The message is the text of strerror(3), which is what `qemu-img` prints; Node words them differently ("no such file or
 * directory, open 'x'"), so the texts that storage meets are listed here.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { type ErrorCode, type ErrorContext, ImageError } from '../../errors.js';

const TABLE: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  EPERM: ['denied', 'Operation not permitted'],
  ENOENT: ['not-found', 'No such file or directory'],
  EINTR: ['io', 'Interrupted system call'],
  EIO: ['io', 'Input/output error'],
  ENXIO: ['io', 'No such device or address'],
  EBADF: ['io', 'Bad file descriptor'],
  EAGAIN: ['locked', 'Resource temporarily unavailable'],
  ENOMEM: ['io', 'Cannot allocate memory'],
  EACCES: ['denied', 'Permission denied'],
  EBUSY: ['locked', 'Device or resource busy'],
  EEXIST: ['exists', 'File exists'],
  EXDEV: ['unsupported', 'Invalid cross-device link'],
  ENODEV: ['not-found', 'No such device'],
  ENOTDIR: ['not-found', 'Not a directory'],
  EISDIR: ['invalid', 'Is a directory'],
  EINVAL: ['invalid', 'Invalid argument'],
  ENFILE: ['io', 'Too many open files in system'],
  EMFILE: ['io', 'Too many open files'],
  ETXTBSY: ['locked', 'Text file busy'],
  EFBIG: ['no-space', 'File too large'],
  ENOSPC: ['no-space', 'No space left on device'],
  ESPIPE: ['invalid', 'Illegal seek'],
  EROFS: ['denied', 'Read-only file system'],
  EPIPE: ['disconnected', 'Broken pipe'],
  ENAMETOOLONG: ['invalid', 'File name too long'],
  ENOLCK: ['io', 'No locks available'],
  ENOSYS: ['unsupported', 'Function not implemented'],
  ELOOP: ['invalid', 'Too many levels of symbolic links'],
  EOVERFLOW: ['invalid', 'Value too large for defined data type'],
  EOPNOTSUPP: ['unsupported', 'Operation not supported'],
  ENOTSUP: ['unsupported', 'Operation not supported'],
  EADDRINUSE: ['io', 'Address already in use'],
  ENETUNREACH: ['disconnected', 'Network is unreachable'],
  ECONNABORTED: ['disconnected', 'Software caused connection abort'],
  ECONNRESET: ['disconnected', 'Connection reset by peer'],
  ETIMEDOUT: ['disconnected', 'Connection timed out'],
  ECONNREFUSED: ['disconnected', 'Connection refused'],
  EHOSTUNREACH: ['disconnected', 'No route to host'],
  ESTALE: ['io', 'Stale file handle'],
  EDQUOT: ['no-space', 'Disk quota exceeded'],
};

const nameOfErrno = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) {
  if (!nameOfErrno.has(value) || name in TABLE) nameOfErrno.set(value, name);
}

function describeErrno(name: string): readonly [ErrorCode, string] {
  const known = TABLE[name];
  if (known !== undefined) return known;
  for (const [code, text] of getSystemErrorMap().values()) {
    if (code === name) return ['io', text.charAt(0).toUpperCase() + text.slice(1)];
  }
  return ['io', name];
}

/** The `code` property of a Node error ("ENOENT"), undefined for anything else. */
export function errorName(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** What Node threw, as an `ImageError` with the bare reason; an `ImageError` passes, and so does a bug. */
export function systemError(error: unknown, context: ErrorContext = {}): Error {
  if (error instanceof ImageError) return error;
  const name = errorName(error);
  if (name === undefined) return error instanceof Error ? error : new Error(String(error));
  const [code, text] = describeErrno(name);
  return new ImageError(code, text, { ...context, cause: error });
}

/** The error for an errno value of the C library. */
export function errnoError(errno: number, context: ErrorContext = {}): ImageError {
  const [code, text] = describeErrno(nameOfErrno.get(errno) ?? `Unknown error ${errno}`);
  return new ImageError(code, text, context);
}
