/** Error values of the NBD protocol ("Error values") as errors with the texts of `strerror`. */
import { type ErrorCode, ImageError } from '../../../errors.js';

const REASONS: { readonly [value: number]: readonly [ErrorCode, string] } = {
  1: ['denied', 'Operation not permitted'],
  5: ['io', 'Input/output error'],
  12: ['io', 'Cannot allocate memory'],
  22: ['invalid', 'Invalid argument'],
  28: ['no-space', 'No space left on device'],
  75: ['io', 'Value too large for defined data type'],
  95: ['unsupported', 'Operation not supported'],
  108: ['disconnected', 'Cannot send after transport endpoint shutdown'],
};

/** Error values that the client acts on. */
export const EINVAL = 22;
export const EOVERFLOW = 75;
export const ESHUTDOWN = 108;

/** A request that the server refused. The connection is sound. */
export class RequestError extends ImageError {
  /** `detail` is the server's own message, where it sent one. */
  constructor(
    readonly value: number,
    detail = '',
  ) {
    // An unknown value counts as EINVAL.
    const [code, text] = REASONS[value] ?? REASONS[EINVAL]!;
    super(code, text, { cause: detail === '' ? undefined : detail });
  }
}

/** The server breaks the protocol; nothing that it says can be trusted any more. */
export function protocolError(what: string): ImageError {
  return new ImageError('io', `NBD protocol error: ${what}`);
}

const utf8 = new TextDecoder();

/** A string of the server's; invalid UTF-8 becomes U+FFFD. */
export function text(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

/** A string of the server's as it may be shown on one line of a terminal. */
export function printable(bytes: Uint8Array): string {
  return text(bytes).replace(/\p{Cc}/gu, '?');
}
