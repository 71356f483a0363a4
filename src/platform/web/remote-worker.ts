/**
 * Entry of the remote worker: the only part of a page that may reach other hosts.
 *
 * It is told addresses and ranges and hands out what it fetched; it never gets a byte of anybody's file. So the page and
 * the engine, which have files, can be kept from all hosts but their own by their policy (`connect-src 'self'`), and this
 * worker by its own policy to fetching.
 */
import * as Comlink from 'comlink';
import { ImageError } from '../../errors.js';
import { openRemote } from '../net/http/open.js';
import { readRemote } from '../net/http/read.js';
import { parseAddress, type RemoteFile } from '../net/http/remote-file.js';
import { type Reply, reply } from './reply.js';
import { serveHelper } from './serve-helper.js';

/** What the worker serves. */
export interface RemoteApi {
  open(address: string): Promise<Reply<RemoteFile>>;
  /** The bytes travel. */
  read(file: RemoteFile, offset: number, length: number): Promise<Reply<Uint8Array>>;
}

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

/** The host of the page has sent this worker with a policy that lets it fetch nothing. */
let isForbidden = false;
scope.addEventListener('securitypolicyviolation', () => {
  isForbidden = true;
});

class RemoteReader implements RemoteApi {
  open(address: string): Promise<Reply<RemoteFile>> {
    return reply(openFromPage(address));
  }

  async read(file: RemoteFile, offset: number, length: number): Promise<Reply<Uint8Array>> {
    const bytes = new Uint8Array(length);
    const answer = await reply(readRemote(file, offset, bytes).then(() => bytes));
    return Comlink.transfer(answer, 'ok' in answer ? [bytes.buffer] : []);
  }
}

/** A browser does not tell a page why it cannot reach a server. */
async function openFromPage(address: string): Promise<RemoteFile> {
  if (isMixed(parseAddress(address)))
    throw new ImageError('denied', 'A page that came by https:// may fetch by https:// only');
  try {
    return await openRemote(address);
  } catch (thrown) {
    if (!(thrown instanceof ImageError) || thrown.code !== 'disconnected' || !(thrown.cause instanceof TypeError))
      throw thrown;
    // The event comes after the failure that it explains.
    await new Promise((resolve) => setTimeout(resolve));
    throw new ImageError('denied', reasonOfFailure(), { file: thrown.file, cause: thrown });
  }
}

function reasonOfFailure(): string {
  if (isForbidden) return 'The host of this page lets it fetch nothing from elsewhere (Content-Security-Policy)';
  if (!navigator.onLine) return 'There is no network';
  return 'The server cannot be reached, or it does not let other sites’ pages read the file (CORS)';
}

/** Browsers make an exception for the own machine. */
function isMixed({ protocol, hostname }: URL): boolean {
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$|\.localhost$/.test(hostname);
  return scope.location.protocol === 'https:' && protocol === 'http:' && !isLocal;
}

serveHelper((port) => Comlink.expose(new RemoteReader(), port));
