/** Reports on their way to the page. */
import type { OnStep } from './protocol.js';

/**
 * Milliseconds between two reports. Each makes the browser paint, and where that is done by the processor, it is the
 * conversion that waits for it: at 20 a second it took a tenth of two processors.
 */
export const REPORT_MS = 200;

/** Passes on the end, and else what comes `REPORT_MS` after the last: a page must not drown in messages. */
export function everySoOften(report: OnStep): OnStep {
  let last = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const now = performance.now();
    if (now - last < REPORT_MS && done < total) return;
    last = now;
    report(done, total);
  };
}
