/** Reading a part of a file on a web server. */
import { ImageError } from '../../../errors.js';
import { changed, type RemoteFile, statusError } from './remote-file.js';
import { type Attempt, attempts } from './request.js';

/**
 * Fills `into` from `offset`; tries again where the connection or the server fails for a moment. Throws `io` when the
 * file is not what it was when it was opened, and what opening it throws.
 */
export async function readRemote(
  file: RemoteFile,
  offset: number,
  into: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  if (into.length === 0) return;
  try {
    await attempts(signal, (http) => readOnce(http, file, offset, into));
  } catch (thrown) {
    if (!(thrown instanceof ImageError)) throw thrown;
    throw new ImageError(thrown.code, thrown.message, { file: file.name, offset, cause: thrown });
  }
}

async function readOnce(http: Attempt, file: RemoteFile, offset: number, into: Uint8Array): Promise<void> {
  const last = offset + into.length - 1;
  const response = await http.send('GET', file.url, `${offset}-${last}`);
  // The part lay inside the file when it was opened.
  if (response.status === 416) throw changed(file);
  if (response.status !== 206) throw statusError(response.status, file.name);
  checkSame(file, response.headers);
  checkRange(file, response.headers, offset, last);
  await fill(response.body!, into, http);
}

/** What the answer says of the whole file must be what was said before. */
function checkSame(file: RemoteFile, headers: Headers): void {
  const differs = (was: string | null, is: string | null) => was !== null && is !== null && was !== is;
  if (differs(file.etag, headers.get('ETag')) || differs(file.lastModified, headers.get('Last-Modified')))
    throw changed(file);
}

/** `Content-Range: bytes 0-99/1234`, where it can be seen; the body's length is checked in any case. */
function checkRange(file: RemoteFile, headers: Headers, first: number, last: number): void {
  const range = headers.get('Content-Range');
  if (range === null) return;
  const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  if (total !== undefined && total !== '*' && Number(total) !== file.size) throw changed(file);
  if (Number(from) !== first || Number(to) !== last)
    throw new ImageError('io', 'The server sent another part of the file than it was asked for');
}

async function fill(body: ReadableStream<Uint8Array>, into: Uint8Array, http: Attempt): Promise<void> {
  const reader = body.getReader();
  let filled = 0;
  for (;;) {
    const { done, value } = await reader.read();
    http.alive();
    if (done) break;
    if (filled + value.length > into.length)
      throw new ImageError('io', 'The server sent more of the file than it was asked for');
    into.set(value, filled);
    filled += value.length;
  }
  if (filled < into.length) throw new ImageError('disconnected', 'The connection to the server ended too early');
}
