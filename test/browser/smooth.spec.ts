/**
 * The page stays usable: nothing that it does keeps its thread for long.
 *
 * What counts is processor time, from the browser's own trace: by the clock, as `longtask` entries go, a task is also long
 * when other programs, or the conversion's own workers, have the processor meanwhile.
 */
import type { BrowserContext, Page } from '@playwright/test';
import { expect, test } from './fixtures.js';
import { begin, outcome } from './page.js';

const LONGEST_MS = 50;

/** An event of the trace, of Chromium's "Trace Event Format"; times are microseconds. */
interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  tdur?: number;
  args: { name?: string };
}

/** The tasks of the page's thread while `action` runs: milliseconds of processor time, the longest first. */
async function tasksOf(context: BrowserContext, page: Page, action: () => Promise<void>): Promise<number[]> {
  const session = await context.newCDPSession(page);
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => void events.push(...(value as unknown as TraceEvent[])));
  const traceConfig = { includedCategories: ['toplevel', 'disabled-by-default-devtools.timeline'] };
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig });
  await action();
  // A task is in the trace once it has ended, which it has when another one answers.
  await page.evaluate(() => 0);
  const complete = new Promise<void>((resolve) => session.on('Tracing.tracingComplete', () => resolve()));
  await session.send('Tracing.end');
  await complete;
  const thread = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const isMain = ({ name, args }: TraceEvent) => name === 'thread_name' && args.name === 'CrRendererMain';
  const main = new Set(events.filter(isMain).map(thread));
  const tasks = events.filter((event) => event.ph === 'X' && event.name === 'RunTask' && main.has(thread(event)));
  return tasks.map(({ tdur = 0 }) => tdur / 1000).sort((a, b) => b - a);
}

for (const compress of [false, true]) {
  test(`no long task while it converts${compress ? ' and compresses' : ''}`, async ({ page, context, images }) => {
    const tasks = await tasksOf(context, page, async () => {
      for (let run = 0; run < 3; run++) {
        await begin(page, { source: images.raw, format: 'qcow2', name: 'x.qcow2', compress });
        expect(await outcome(page)).toBe('Done');
        await page.getByRole('button', { name: 'Discard' }).click();
      }
    });
    expect(tasks.length).toBeGreaterThan(100);
    expect(tasks[0]).toBeLessThan(LONGEST_MS);
  });
}

test('a long task would be seen', async ({ page, context }) => {
  const tasks = await tasksOf(context, page, () =>
    page.evaluate(() => {
      let steps = 0;
      for (const start = performance.now(); performance.now() - start < 400; ) steps += Math.sqrt(steps);
    }),
  );
  expect(tasks[0]).toBeGreaterThan(LONGEST_MS);
});
