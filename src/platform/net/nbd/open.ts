/** Opening an NBD export. */
import { ImageError } from '../../../errors.js';
import type { Connect } from '../connection.js';
import { Inbox } from '../inbox.js';
import { type NbdAddress, nbdFileName, parseNbdAddress } from '../nbd-uri.js';
import { negotiate } from './handshake.js';
import { ConnectionPool } from './pool.js';
import { MAX_STRING, TransmissionFlag } from './protocol.js';
import { NbdStore } from './store.js';
import { Transmission } from './transmission.js';

export interface NbdOptions {
  /** The environment's sockets. */
  connect: Connect;
  /** The export will be written to: opening fails if the server does not allow that. Default false. */
  writable?: boolean;
  /** Zeroed ranges must stay allocated and not become holes. Default false. */
  keepAllocated?: boolean;
  /** The most connections at once, where the server can do with more than one. Default 2. */
  connections?: number;
  /** Until a connection is made and the handshake done, in milliseconds. Default 30 000. */
  connectTimeout?: number;
  /** As `open-timeout` of QEMU, in seconds: so long it is tried again to connect. Default 0, one attempt. */
  openTimeout?: number;
  /** As `reconnect-delay` of QEMU, in seconds: so long requests wait for a new connection when it breaks. Default 0. */
  reconnectDelay?: number;
  /** The metadata context to take for the status of blocks. Default base:allocation. */
  contextName?: string;
  /** Breaks the connections and fails everything with `aborted`, also after opening. */
  signal?: AbortSignal;
}

/** Eight requests in flight move a sixth (writes) to a third (reads) more over two connections than over one; four add nothing. */
const DEFAULT_CONNECTIONS = 2;
const DEFAULT_CONNECT_TIMEOUT = 30_000;

/**
 * Opens an export named by a URI, by QEMU's older `nbd:…`, or by its parts.
 *
 * Throws `invalid` for a name that is none, `disconnected` if the server cannot be reached or does not answer,
 * `not-found` for an unknown export, `denied` for writing to a read-only one, `io` if what answers is not an NBD server.
 */
export async function openNbd(target: string | NbdAddress, options: NbdOptions): Promise<NbdStore> {
  const address = typeof target === 'string' ? parseNbdAddress(target) : target;
  const name = typeof target === 'string' ? target : nbdFileName(target);
  if (new TextEncoder().encode(address.exportName).length > MAX_STRING)
    throw new ImageError('invalid', 'export name too long to send to server', { file: name });

  const pool = new ConnectionPool(
    (stop) => openTransmission(address, options, stop),
    options.connections ?? DEFAULT_CONNECTIONS,
    1000 * (options.reconnectDelay ?? 0),
  );
  const release = onAbort(options.signal, () =>
    pool.destroy(new ImageError('aborted', 'The operation was cancelled', { file: name })),
  );
  try {
    const { info } = await pool.start(1000 * (options.openTimeout ?? 0));
    if (options.contextName !== undefined && info.allocationContext === null)
      throw new ImageError('not-found', `requested x-dirty-bitmap ${options.contextName} not found`, { file: name });
    if (options.writable && info.flags & TransmissionFlag.READ_ONLY)
      throw new ImageError('denied', 'request on write for read-only export', { file: name });
    return new NbdStore(name, info, pool, { keepAllocated: options.keepAllocated ?? false, onClose: release });
  } catch (error) {
    release();
    await pool.close();
    throw error;
  }
}

/** Makes one connection and shakes hands, in the time allowed. */
async function openTransmission(
  address: NbdAddress,
  { connect, contextName, connectTimeout = DEFAULT_CONNECT_TIMEOUT }: NbdOptions,
  stop: AbortSignal,
): Promise<Transmission> {
  const limit = new AbortController();
  const release = onAbort(stop, () => limit.abort(stop.reason));
  const timer = setTimeout(() => limit.abort(timedOut()), connectTimeout);
  try {
    const inbox = new Inbox();
    const connection = await connect(address.endpoint, inbox, limit.signal);
    onAbort(limit.signal, () => connection.destroy(limit.signal.reason));
    const send = (bytes: Uint8Array) => connection.send([bytes]);
    try {
      const info = await inbox.run(negotiate(send, address.exportName, contextName));
      return new Transmission(info, connection, inbox);
    } catch (error) {
      await connection.end();
      throw error;
    }
  } finally {
    clearTimeout(timer);
    release();
  }
}

/** Calls `act` when the signal fires, at once if it has; returns what ends that. */
function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted) act();
  else signal?.addEventListener('abort', act, { once: true });
  return () => signal?.removeEventListener('abort', act);
}

function timedOut(): ImageError {
  return new ImageError('disconnected', 'Connection timed out');
}
