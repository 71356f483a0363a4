/**
 * Workers that an engine needs are started by its page.
 *
 * An engine could start them itself; but in Firefox `new Worker` in a worker may never return while another worker of the
 * same page is starting or ending. So the engine asks its page, and talks to the new worker through a port of their own.
 */
import * as Comlink from 'comlink';
import { LIVING, lifelineCut } from './lifeline.js';

/** `kernel`: works on bytes. `remote`: reads from web servers. */
export type HelperKind = 'kernel' | 'remote';

/** What a page does for its engine. */
export interface HelperHost {
  /** Starts a worker that serves `port`. Resolves with the reason when it cannot be loaded or throws outside of a call. */
  start(kind: HelperKind, name: string, port: MessagePort): Promise<string>;
  stop(name: string): void;
}

/** The engine's end of one. */
export interface Helper {
  readonly endpoint: MessagePort;
  stop(): void;
}

/** Starts a worker; `onDeath` is told why when it is gone by itself. */
export function startHelper(
  host: Comlink.Remote<HelperHost>,
  kind: HelperKind,
  onDeath: (cause: Error) => void,
): Helper {
  const name = `diskloom ${kind} ${crypto.randomUUID()}`;
  const { port1, port2 } = new MessageChannel();
  const ended = new AbortController();
  const report = (reason: string) => ended.signal.aborted || onDeath(new Error(reason));
  port1.addEventListener('message', ({ data }) => {
    if (data === LIVING) void lifelineCut(name, ended.signal).then(() => report('the browser ended it'));
  });
  host.start(kind, name, Comlink.transfer(port2, [port2])).then(report, (thrown) => report(String(thrown)));
  return {
    endpoint: port1,
    stop: () => {
      ended.abort();
      void host.stop(name);
    },
  };
}
