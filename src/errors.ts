/**
 * The one error type of the project.
 *
 * Every failure that a user can cause or see (a damaged image, a full disk, a refused option) is an `ImageError`.
 * Programs tell failures apart by `code`; people read `message`, which is worded as `qemu-img` words it where
 * `qemu-img` has words for it. Anything else that is thrown is a bug in diskloom.
 */

/** What kind of failure it is; the list is closed so that callers can switch over it. */
export type ErrorCode =
  /** The image breaks its format's rules. */
  | 'corrupt'
  /** A valid image or a known option that diskloom does not handle. */
  | 'unsupported'
  /** An argument, option or option value that makes no sense. */
  | 'invalid'
  /** A file, export, snapshot or bitmap that does not exist. */
  | 'not-found'
  /** It exists already and must not. */
  | 'exists'
  /** The operating system or the server says no. */
  | 'denied'
  /** The image names a file outside its directory, and the user has not allowed that. */
  | 'external'
  /** Another program holds the image. */
  | 'locked'
  /** The disk or the quota is full. */
  | 'no-space'
  /** Reading or writing failed. */
  | 'io'
  /** The server went away. */
  | 'disconnected'
  /** The caller's AbortSignal fired. */
  | 'aborted';

/** Where and why; all optional. */
export interface ErrorContext {
  /** The file as the user or the image named it. */
  file?: string | undefined;
  /** Byte offset, in the file or in the guest's disk as the message says. */
  offset?: number | undefined;
  cause?: unknown;
}

/** An `ImageError` as plain data, for crossing a worker's border. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  file?: string | undefined;
  offset?: number | undefined;
}

export class ImageError extends Error {
  readonly code: ErrorCode;
  readonly file: string | undefined;
  readonly offset: number | undefined;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'ImageError';
    this.code = code;
    this.file = context.file;
    this.offset = context.offset;
  }

  /** The same error with `prefix` before its message: `Could not open 'x': ` + `No such file or directory`. */
  prefixed(prefix: string): ImageError {
    return new ImageError(this.code, prefix + this.message, { file: this.file, offset: this.offset, cause: this });
  }

  toPlain(): PlainError {
    return { code: this.code, message: this.message, file: this.file, offset: this.offset };
  }

  static fromPlain(plain: PlainError): ImageError {
    return new ImageError(plain.code, plain.message, { file: plain.file, offset: plain.offset });
  }
}

/** Shorthand for the most frequent failure: the image breaks its format's rules. */
export function corrupt(message: string, context?: ErrorContext): ImageError {
  return new ImageError('corrupt', message, context);
}

/** Throws the `aborted` error if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ImageError('aborted', 'The operation was cancelled', { cause: signal.reason });
}
