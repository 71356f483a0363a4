/** TCP and Unix domain sockets as connections. */
import { connect as connectTo, type Socket, type SocketConnectOpts } from 'node:net';
import { ImageError } from '../../errors.js';
import { type Connect, type Connection, type Endpoint, endpointName, type Receiver } from '../net/connection.js';

/** The texts of `strerror` for what can happen to a socket. */
const REASONS: { readonly [code: string]: string } = {
  EACCES: 'Permission denied',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ECONNABORTED: 'Software caused connection abort',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENETUNREACH: 'Network is unreachable',
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  ENOTSOCK: 'Connection refused',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  EPROTOTYPE: 'Protocol wrong type for socket',
  ETIMEDOUT: 'Connection timed out',
};

/** The texts of `gai_strerror`. */
const RESOLUTION_FAILURES: { readonly [code: string]: string } = {
  ENOTFOUND: 'Name or service not known',
  EAI_NONAME: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EAI_FAIL: 'Non-recoverable failure in name resolution',
};

/** The length of `sun_path` in `sockaddr_un`, in bytes, on Linux. */
const MAX_UNIX_PATH = 108;

/** A connection whose peer takes nothing more is broken so long after its end was asked for, in milliseconds. */
const LINGER = 2000;

/** Connects by `node:net`; see `Connect`. */
export const connectSocket: Connect = async (endpoint, receiver, signal) => {
  signal.throwIfAborted();
  checkEndpoint(endpoint);
  const socket = connectTo(socketOptions(endpoint, receiver, (error) => socket.destroy(error)));
  const connection = new SocketConnection(socket, receiver);
  await connected(socket, endpoint, signal);
  return connection;
};

/** What the system would report in other words, or not at all. */
function checkEndpoint(endpoint: Endpoint): void {
  if (endpoint.type === 'unix' && Buffer.byteLength(endpoint.path) >= MAX_UNIX_PATH) {
    const message = `UNIX socket path '${endpoint.path}' is too long\nPath must be less than ${MAX_UNIX_PATH} bytes`;
    throw new ImageError('invalid', message);
  }
  if (endpoint.type === 'inet' && endpoint.host === '') throw connectError(endpoint, 'EAI_NONAME');
  if (endpoint.type === 'unix' && endpoint.path === '') throw connectError(endpoint, 'ECONNREFUSED');
}

/**
 * `onread` lets the socket read into memory that the receiver names each time, without a stream's buffers and events in
 * between: half the processor time of 'data' events when that memory is where the bytes are wanted.
 */
function socketOptions(endpoint: Endpoint, receiver: Receiver, fail: (error: Error) => void): SocketConnectOpts {
  const onread = {
    buffer: () => {
      try {
        return receiver.space();
      } catch (error) {
        fail(error as Error);
        return new Uint8Array(1);
      }
    },
    callback: (count: number) => {
      receiver.received(count);
      return true;
    },
  };
  if (endpoint.type === 'unix') return { path: endpoint.path, onread };
  return { host: endpoint.host, port: endpoint.port, noDelay: true, keepAlive: true, onread };
}

function connected(socket: Socket, endpoint: Endpoint, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason);
      socket.destroy();
    };
    const onError = (error: NodeJS.ErrnoException) => {
      signal.removeEventListener('abort', onAbort);
      reject(connectError(endpoint, lastCode(error)));
    };
    signal.addEventListener('abort', onAbort);
    socket.once('error', onError);
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      resolve();
    });
  });
}

/** Where several addresses were tried, the last failure counts. */
function lastCode(error: NodeJS.ErrnoException): string {
  const last: unknown = error instanceof AggregateError ? error.errors.at(-1) : error;
  return (last as NodeJS.ErrnoException).code ?? error.message;
}

function connectError(endpoint: Endpoint, code: string): ImageError {
  const resolution = RESOLUTION_FAILURES[code];
  if (resolution !== undefined)
    return new ImageError('disconnected', `address resolution failed for ${endpointName(endpoint)}: ${resolution}`);
  const reason = REASONS[code] ?? code;
  return new ImageError('disconnected', `Failed to connect to '${endpointName(endpoint)}': ${reason}`);
}

class SocketConnection implements Connection {
  #reason: ImageError | null = null;

  constructor(
    readonly socket: Socket,
    receiver: Receiver,
  ) {
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason ??= error instanceof ImageError ? error : broken(REASONS[error.code ?? ''] ?? error.message, error);
    });
    socket.on('close', () => receiver.closed(this.#reason ?? broken('The server closed the connection')));
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.socket.destroyed) return;
    this.socket.cork();
    for (const chunk of chunks) this.socket.write(chunk);
    this.socket.uncork();
  }

  async end(): Promise<void> {
    if (this.socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    const timer = setTimeout(() => this.socket.destroy(), LINGER);
    this.socket.destroySoon();
    await closed;
    clearTimeout(timer);
  }

  destroy(reason: ImageError): void {
    if (this.socket.destroyed) return;
    this.#reason ??= reason;
    this.socket.destroy();
  }
}

function broken(message: string, cause?: unknown): ImageError {
  return new ImageError('disconnected', message, { cause });
}
