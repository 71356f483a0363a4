/** Work that takes its time: it can be cancelled, and tells how far it is. */
import { tuneEngine } from './engine.js';
import { OnDemandProgress, visibleProgress } from './progress.js';
import { Cancellation } from './signals.js';

/** What the work is given. */
export interface LongWork {
  readonly signal: AbortSignal;
  /** The command line is right, the work begins: before it nothing is shown. */
  start(): void;
  /** Bytes done, of all. */
  update(done: number, total: number): void;
}

/**
 * Runs `work`. A signal cancels it and, when it has cleaned up, ends the process.
 *
 * @param step points of a hundred between two outputs of -p; default 1
 * @param isLiteral as for `PipeProgress`
 */
export async function runLong<T>(
  { progress: isShown, quiet }: { progress: boolean; quiet: boolean },
  work: (long: LongWork) => Promise<T>,
  step?: number,
  isLiteral?: boolean,
): Promise<T> {
  tuneEngine();
  const onDemand = new OnDemandProgress(process.stderr);
  const progress = isShown && !quiet ? visibleProgress(process.stdout, step, isLiteral) : onDemand;
  const cancellation = new Cancellation(() => onDemand.ask());
  let started = false;
  let success = false;
  const start = () => {
    started = true;
    progress.start();
  };
  try {
    const update = (done: number, total: number) => progress.update(done, total);
    const result = await work({ signal: cancellation.signal, start, update });
    success = true;
    return result;
  } finally {
    if (started) progress.end(success);
    cancellation.finish();
  }
}
