/**
 * The operating system's errors as `ImageError`s.
 *
 * Node words them differently from strerror(3) ("no such file or directory, open 'x'"); the table of storage has the
 * texts.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { type ErrorContext, ImageError } from '../../errors.js';
import { SYSTEM_ERRORS, type SystemErrorReason } from '../../storage/system-errors.js';

const nameOfErrno = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) {
  if (!nameOfErrno.has(value) || name in SYSTEM_ERRORS) nameOfErrno.set(value, name);
}

/** Two names of one number on Linux, not so elsewhere; and offsets that Node does not hand to the system. */
const ALIASES: Readonly<Record<string, string>> = { ENOTSUP: 'EOPNOTSUPP', ERR_OUT_OF_RANGE: 'EFBIG' };

function describeErrno(name: string): SystemErrorReason {
  const known = SYSTEM_ERRORS[ALIASES[name] ?? name];
  if (known !== undefined) return [known[1], known[2]];
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
