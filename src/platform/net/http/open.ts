/** Asking a web server for a file: is it there, can it be read by parts, and how long is it? */
import { ImageError } from '../../../errors.js';
import { nameOf, parseAddress, type RemoteFile, statusError } from './remote-file.js';
import { type Attempt, attempt } from './request.js';

/**
 * Looks at the file at `address`. Throws `invalid` for what is no web address, `not-found`, `denied`, `disconnected`, and
 * `unsupported` where the server sends no parts of files or does not tell their size.
 */
export async function openRemote(address: string, signal?: AbortSignal): Promise<RemoteFile> {
  const url = parseAddress(address);
  const name = nameOf(url);
  return attempt(signal, async (http) => {
    const { status, headers } = await http.send('GET', url.href, '0-0');
    if (status !== 206 && status !== 416) throw statusError(status, name);
    const size = status === 416 ? 0 : (totalOf(headers) ?? (await sizeWithoutTotal(http, url.href, name)));
    return { url: url.href, name, size, etag: headers.get('ETag'), lastModified: headers.get('Last-Modified') };
  });
}

/** The length of the whole file in `Content-Range: bytes 0-0/1234`; null: it is not told. */
function totalOf(headers: Headers): number | null {
  const total = /\/(\d+)$/.exec(headers.get('Content-Range') ?? '');
  return total === null ? null : Number(total[1]);
}

/**
 * A browser shows `Content-Range` only if the server allows that by name, but `Content-Length` always. All of the file
 * as one part is as long as the file, unless the server sends less than it is asked for; and the length of the whole may
 * be that of a compressed form. So both must say the same.
 */
async function sizeWithoutTotal(http: Attempt, url: string, name: string): Promise<number> {
  const part = lengthOf(await http.send('GET', url, '0-'), 206);
  const whole = lengthOf(await http.send('HEAD', url), 200);
  if (part === null || part !== whole)
    throw new ImageError('unsupported', 'The server does not tell the size of the file', { file: name });
  return part;
}

function lengthOf({ status, headers }: Response, expected: number): number | null {
  const length = Number(headers.get('Content-Length') ?? Number.NaN);
  return status === expected && Number.isSafeInteger(length) ? length : null;
}
