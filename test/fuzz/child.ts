/**
 * The process that tries mutants; `run.mjs` starts it, watches it, and starts it anew where it hangs or dies.
 *
 * Arguments: run (seed), first index, end index, kind. On descriptor 3 it writes a line a trial before the trial, a
 * line a finding, and now and then a summary.
 */
import { writeSync } from 'node:fs';
import { createNodeKernels } from '../../src/platform/node/kernels.js';
import { tryEncoder } from './encoders.js';
import { secondOpinion } from './judge.js';
import { ownSeeds, qemuSeeds, type Seed } from './seeds.js';
import { tryServer } from './servers.js';
import { tryStream } from './streams.js';
import { type Trial, tryMutant } from './trial.js';

const [run, first, end, kind] = [...process.argv.slice(2, 5).map(Number), process.argv[5]] as [
  number,
  number,
  number,
  string,
];

/** Of so many mutants one is also given to `qemu-img`. */
const JUDGED = 60;
/** Resident bytes that are too much. */
const TOO_MUCH = 400 * 1024 * 1024;

const counts = new Map<string, number>();

function count(what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

function tell(line: { [key: string]: unknown }): void {
  writeSync(3, `${JSON.stringify(line)}\n`);
}

/** Tells what has been counted since the last time: a child that is killed leaves the rest. */
function summarize(): void {
  tell({ summary: Object.fromEntries(counts), rss: process.resourceUsage().maxRSS * 1024 });
  counts.clear();
}

function report(index: number, what: string, detail: { [key: string]: unknown }): void {
  tell({ finding: what, run, index, kind, ...detail });
}

let current = first;
let stopping = false;
process.on('SIGTERM', () => {
  stopping = true;
});
process.on('unhandledRejection', (reason) => {
  report(current, reason instanceof Error ? (reason.stack ?? reason.message) : String(reason), { command: 'later' });
});

async function images(): Promise<(index: number) => Promise<void>> {
  const kernels = createNodeKernels({ workers: 0 });
  const seeds = [...(await ownSeeds(kernels)), ...qemuSeeds()];
  const mains = new Map(seeds.map(({ name, main }) => [name, main]));
  return async (index) => {
    const trial = await tryMutant(kernels, seeds, run, index, end - first === 1);
    const { seed, mutations } = trial;
    for (const { command, what } of trial.findings) report(index, what, { command, seed, mutations });
    for (const { command, outcome } of trial.outcomes) count(`${command}: ${outcome}`);
    if (index % JUDGED === 0) compare(trial, mains.get(seed)!, index, seeds);
  };
}

/** What both accept must be the same; who is stricter is counted. */
function compare({ files, disk, outcomes, seed, mutations }: Trial, main: string, index: number, seeds: Seed[]): void {
  if (seeds.length < 10) return;
  const ours = outcomes.find(({ command }) => command === 'convert -O raw')!;
  const theirs = secondOpinion(files, main, disk);
  const bothAccept = theirs === 'equal' || theirs === 'accepted' || theirs.startsWith('different');
  if (theirs.startsWith('different')) report(index, theirs, { command: 'compare', seed, mutations });
  if (ours.outcome === 'ok')
    count(bothAccept ? `judge: both accept, ${theirs.split(' ')[0]}` : `judge: only we accept: ${blurred(theirs)}`);
  else count(theirs === 'accepted' ? `judge: only qemu-img accepts: ${blurred(ours.message)}` : 'judge: both refuse');
}

function blurred(message: string): string {
  return message.replace(/'[^']*'/g, "'…'").replace(/0x[0-9a-f]+|\d+/g, 'N');
}

async function main(): Promise<void> {
  const kinds: { [kind: string]: () => Promise<(index: number) => Promise<void>> } = {
    images,
    streams: async () => {
      const attempt = tryStream(run);
      return async (index) => count(attempt(index, (what) => report(index, what, { command: 'unpack' })));
    },
    encoders: async () => {
      const attempt = tryEncoder(run);
      return async (index) => count(attempt(index, (what) => report(index, what, { command: 'pack' })));
    },
    servers: async () => async (index) =>
      count(await tryServer(run, index, (what) => report(index, what, { command: 'nbd' }))),
  };
  const attempt = await kinds[kind]!();
  tell({ ready: true });
  for (current = first; current < end && !stopping; current++) {
    tell({ trial: current });
    await attempt(current);
    // Signals and late rejections come between two turns of the event loop.
    if (current % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (current % 100 === 0) summarize();
    if (current % 64 === 0 && process.memoryUsage.rss() > TOO_MUCH) {
      report(current, `${process.memoryUsage.rss()} bytes resident`, { command: 'memory' });
      break;
    }
  }
  summarize();
  tell({ done: true });
}

await main();
