/** Requests to a web server: one try and its end, and trying again. */
import { ImageError, throwIfAborted } from '../../../errors.js';

/** Milliseconds without a byte after which a try is given up. */
const STALL_MS = 30_000;

/** Milliseconds before the second try and those after it; there are no more tries than that. */
const PAUSES = [500, 2000, 5000];

/** One try. */
export interface Attempt {
  /** Sends a request; `range`: first and last byte. */
  send(method: 'GET' | 'HEAD', url: string, range?: string): Promise<Response>;
  /** Says that bytes are coming. */
  alive(): void;
}

/**
 * Runs `action` once. What it leaves unread is dropped. Throws what it throws, `aborted`, and `disconnected` when the
 * connection fails or nothing comes for too long.
 */
export async function attempt<T>(
  signal: AbortSignal | undefined,
  action: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const end = new AbortController();
  const stop = () => end.abort();
  signal?.addEventListener('abort', stop);
  let stalled = setTimeout(stop, STALL_MS);
  const alive = () => {
    clearTimeout(stalled);
    stalled = setTimeout(stop, STALL_MS);
  };
  try {
    return await action({ send: (method, url, range) => send(method, url, range, end.signal), alive });
  } catch (thrown) {
    throwIfAborted(signal);
    if (thrown instanceof ImageError) throw thrown;
    const reason = end.signal.aborted ? 'The server does not answer' : 'The connection to the server failed';
    throw new ImageError('disconnected', reason, { cause: thrown });
  } finally {
    clearTimeout(stalled);
    signal?.removeEventListener('abort', stop);
    end.abort();
  }
}

/** Runs `action` until it succeeds, a few times at most, as long as it fails with `disconnected`. */
export async function attempts<T>(
  signal: AbortSignal | undefined,
  action: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt(signal, action);
    } catch (thrown) {
      const pause = PAUSES[tries];
      if (pause === undefined || !(thrown instanceof ImageError) || thrown.code !== 'disconnected') throw thrown;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** Nothing goes with it: no cookies, no word of where it comes from. A cache would be filled with gigabytes. */
function send(method: string, url: string, range: string | undefined, signal: AbortSignal): Promise<Response> {
  const headers: HeadersInit = range === undefined ? {} : { Range: `bytes=${range}` };
  return fetch(url, {
    method,
    headers,
    signal,
    cache: 'no-store',
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
  });
}
