/**
 * The connections to one export.
 *
 * If the server says that its connections share a cache (`CAN_MULTI_CONN`), more of them are opened, one by one and
 * only while all that are there are busy, and each request goes to the least busy one. When the last connection breaks,
 * requests wait for a new one as long as the reconnect delay says; by default they fail.
 *
 * A request is done again on a new connection only if it was not answered on the old one, and every request may be done
 * twice. What a server had acknowledged but not yet flushed when it went away is its own to keep.
 */
import { ImageError } from '../../../errors.js';
import { TransmissionFlag } from './protocol.js';
import type { Transmission } from './transmission.js';

/** Connects and shakes hands, unless `signal` fires. */
export type Open = (signal: AbortSignal) => Promise<Transmission>;

/** A connection with this much in flight, in bytes, is busy: another one may help. */
const BUSY = 1024 * 1024;

/** Between two attempts to connect, in milliseconds: the first, doubled each time up to the last. */
const RETRY_PAUSE = { first: 100, last: 2000 } as const;

export class ConnectionPool {
  readonly #live: Transmission[] = [];
  /** Fires when the pool is closed; the reason is what requests after that fail with. */
  readonly #stop = new AbortController();
  /** The size of the export, once it is known: it must be the same on each connection. */
  #size: number | null = null;
  #mayGrow = true;
  #reconnecting: Promise<Transmission> | null = null;
  /** Why the latest connection broke. */
  #lost: ImageError | null = null;

  /** `limit`: the most connections at once; `reconnectDelay` in milliseconds. */
  constructor(
    readonly open: Open,
    readonly limit: number,
    readonly reconnectDelay: number,
  ) {}

  /** Opens the first connection, trying again for `timeout` milliseconds as long as nobody answers; with 0, once. */
  async start(timeout: number): Promise<Transmission> {
    const deadline = Date.now() + timeout;
    for (let delay: number = RETRY_PAUSE.first; ; delay = Math.min(2 * delay, RETRY_PAUSE.last)) {
      try {
        return await this.#add();
      } catch (error) {
        const left = deadline - Date.now();
        if (left <= 0 || !isDisconnect(error)) throw error;
        await pause(Math.min(delay, left), this.#stop.signal);
      }
    }
  }

  /** Does `work` on the least busy connection; on a new one if that breaks and the reconnect delay allows it. */
  async run<T>(work: (transmission: Transmission) => Promise<T>): Promise<T> {
    let deadline = 0;
    for (;;) {
      try {
        return await work(this.#leastBusy() ?? (await this.#reconnect()));
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        if (!isDisconnect(error) || this.reconnectDelay === 0) throw error;
        deadline ||= Date.now() + this.reconnectDelay;
        if (Date.now() >= deadline) throw error;
      }
    }
  }

  /** Says goodbye on every connection. */
  async close(): Promise<void> {
    this.#stop.abort(new ImageError('disconnected', 'The NBD connection is closed'));
    await Promise.all(this.#live.splice(0).map((transmission) => transmission.close()));
  }

  /** Breaks every connection; requests in flight and to come fail with `reason`. */
  destroy(reason: ImageError): void {
    this.#stop.abort(reason);
    for (const transmission of this.#live.splice(0)) transmission.destroy(reason);
  }

  #leastBusy(): Transmission | undefined {
    this.#stop.signal.throwIfAborted();
    let best: Transmission | undefined;
    for (const transmission of this.#live)
      if (transmission.reason === null && (best === undefined || transmission.load < best.load)) best = transmission;
    if (best !== undefined && best.load >= BUSY) this.#grow(best);
    return best;
  }

  /** Opens one more connection in the background; if the server does not want it, things stay as they are. */
  #grow(like: Transmission): void {
    const multi = (like.info.flags & TransmissionFlag.CAN_MULTI_CONN) !== 0;
    if (!multi || !this.#mayGrow || this.#live.length >= this.limit) return;
    this.#mayGrow = false;
    this.#add().then(
      () => {
        this.#mayGrow = true;
      },
      () => undefined,
    );
  }

  #reconnect(): Promise<Transmission> {
    if (this.reconnectDelay === 0) throw this.#live.at(-1)?.reason ?? this.#lost;
    this.#reconnecting ??= pause(RETRY_PAUSE.first, this.#stop.signal)
      .then(() => this.start(this.reconnectDelay))
      .finally(() => {
        this.#reconnecting = null;
      });
    return this.#reconnecting;
  }

  async #add(): Promise<Transmission> {
    const transmission = await this.open(this.#stop.signal);
    this.#size ??= transmission.info.size;
    if (this.#stop.signal.aborted || transmission.info.size !== this.#size) {
      await transmission.close();
      this.#stop.signal.throwIfAborted();
      throw new ImageError('io', 'The size of the export has changed');
    }
    this.#live.push(transmission);
    void transmission.ended.then((reason) => {
      this.#lost = reason;
      const at = this.#live.indexOf(transmission);
      if (at >= 0) this.#live.splice(at, 1);
    });
    return transmission;
  }
}

function isDisconnect(error: unknown): boolean {
  return error instanceof ImageError && error.code === 'disconnected';
}

/** Waits `milliseconds`, or throws the signal's reason when it fires. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
}
