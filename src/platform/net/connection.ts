/**
 * A duplex byte stream, as a network protocol sees it.
 *
 * The protocols under this folder know no sockets: the environment gives them a `Connect` function, which makes a
 * `Connection` (a way out) for a `Receiver` (where bytes that come in are put). The receiver names the memory for the
 * next bytes itself, so that a transport that can (a socket in Node) places them in the caller's buffer without a copy.
 */
import type { ImageError } from '../../errors.js';

/** Whom to connect to. */
export type Endpoint =
  | { readonly type: 'inet'; readonly host: string; readonly port: number }
  | { readonly type: 'unix'; readonly path: string };

/** The endpoint as messages name it: `localhost:10809`, or the path of the socket. */
export function endpointName(endpoint: Endpoint): string {
  return endpoint.type === 'unix' ? endpoint.path : `${endpoint.host}:${endpoint.port}`;
}

/** The end of a connection at which bytes arrive. */
export interface Receiver {
  /** Memory for the next bytes, never empty; asked before the first bytes and again after each `received`. */
  space(): Uint8Array;
  /** `count` bytes, at least one, are at the start of what `space` returned last. */
  received(count: number): void;
  /** No more bytes will come, for this reason. Called at most once. */
  closed(reason: ImageError): void;
}

/** The end of a connection at which bytes leave. */
export interface Connection {
  /** Sends the chunks in order, as one write where that is possible. They must not change until they have arrived. */
  send(chunks: readonly Uint8Array[]): void;
  /** Sends what is still queued, closes, and is done when the connection is closed. Never fails. */
  end(): Promise<void>;
  /** Breaks the connection at once; the receiver's `closed` is called with `reason`. Harmless when it is closed already. */
  destroy(reason: ImageError): void;
}

/**
 * Opens a connection. Throws `io` "Failed to connect to '…': …" or "address resolution failed for …", or the signal's
 * reason when the signal fires before the connection is made; after that the signal has no effect.
 */
export type Connect = (endpoint: Endpoint, receiver: Receiver, signal: AbortSignal) => Promise<Connection>;
