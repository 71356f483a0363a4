/**
 * A file on a web server, read by parts (RFC 9110, section 14: range requests).
 *
 * What is known of it when it is opened goes with every later read: an answer that contradicts it is from another file.
 * The answers' own validators are compared, rather than sent along with `If-Range`, which finds the same changes but makes
 * a browser ask each server for leave first (CORS preflight), which many do not grant.
 */
import { ImageError } from '../../../errors.js';

/** Plain data: it can be cloned, kept, and read by another worker. */
export interface RemoteFile {
  /** Absolute, `http:` or `https:`. */
  readonly url: string;
  /** The last part of the URL's path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** What tells one state of the file from another; null: the server does not say, or a browser may not see it. */
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** The URL that a person means. Throws `invalid`. */
export function parseAddress(address: string): URL {
  const text = address.trim();
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new ImageError('invalid', 'That is no web address: it has to begin with https:// or http://');
  if (url.username !== '' || url.password !== '')
    throw new ImageError('invalid', 'Names and passwords in web addresses are not supported');
  url.hash = '';
  return url;
}

/** What to call the file: the last part of its path, or its host. */
export function nameOf(url: URL): string {
  const last = url.pathname.split('/').findLast((part) => part !== '');
  if (last === undefined) return url.hostname;
  try {
    return decodeURIComponent(last).replaceAll(/[/\\\0]/g, '_');
  } catch {
    return last;
  }
}

/** Why an answer of this HTTP status is no part of a file. `disconnected` is worth another try. */
export function statusError(status: number, file: string): ImageError {
  const told = `(HTTP ${status})`;
  const error = (code: ImageError['code'], message: string) => new ImageError(code, message, { file });
  if (status === 200)
    return error('unsupported', 'The server sends whole files only, no parts of them (HTTP range requests)');
  if (status === 404 || status === 410) return error('not-found', `The server has no such file ${told}`);
  if (status === 401 || status === 403) return error('denied', `The server refuses to send the file ${told}`);
  if ([408, 425, 429, 500, 502, 503, 504].includes(status))
    return error('disconnected', `The server cannot answer now ${told}`);
  return error('io', `The server gave an unexpected answer ${told}`);
}

/** The file is not what it was when it was opened. */
export function changed({ name }: RemoteFile): ImageError {
  return new ImageError('io', 'The file on the server was changed after it was opened', { file: name });
}
