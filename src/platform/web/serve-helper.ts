/** A worker's side of `helpers.ts`. */
import { holdLifeline, LIVING } from './lifeline.js';

/** Serves whoever started it, and holds the lifeline that its name is. */
export function serveHelper(serve: (port: MessagePort) => void): void {
  const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
  scope.addEventListener(
    'message',
    ({ data: port }: MessageEvent<MessagePort>) => {
      serve(port);
      void holdLifeline(scope.name).then(() => port.postMessage(LIVING));
    },
    { once: true },
  );
}
