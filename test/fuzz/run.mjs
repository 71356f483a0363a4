/**
 * The fuzzer: `npm run fuzz -- [--seconds 60] [--seed 1] [--kind images|streams|encoders|servers] [--only N]`.
 *
 * Mutants are tried in a child process with little memory. A child that says nothing for too long, or dies, is a finding
 * by itself: it is killed, and another one goes on after the mutant that did it. A finding is named by seed and number,
 * and `--seed S --only N` does it again. Exit code 1 if there are findings.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { build } from 'vite';

/** Seconds of processor time for one mutant, and of the clock: a machine may be busy with other things, too. */
const PATIENCE = { work: 5, clock: 120 };
/** Clock ticks in a second, for /proc. */
const TICKS = 100;
/** Megabytes of objects. */
const HEAP = 160;
const SHARES = { images: 0.7, streams: 0.1, encoders: 0.1, servers: 0.1 };
const FOREVER = 1e9;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string' },
    only: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});

/** Findings by what they have in common: the kind and the first lines of what went wrong. */
const findings = new Map();

function found(finding) {
  const key = `${finding.kind} ${finding.command ?? ''} ${finding.finding.split('\n').slice(0, 2).join(' ')}`.replace(
    /\d+/g,
    'N',
  );
  const known = findings.get(key);
  if (known === undefined) {
    findings.set(key, { first: finding, count: 1 });
    console.log(JSON.stringify(finding, null, 1).replaceAll('\\n', '\n    '));
  } else known.count++;
}

/** Seconds of processor time that a process has used; null where nobody tells. */
function workOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return null;
  }
}

/** Runs a child from mutant `first` on until `deadline`; resolves to where the next one is to begin. */
function runChild(kind, first, end, deadline, totals) {
  return new Promise((resolve) => {
    const args = [`--max-old-space-size=${HEAP}`, 'build/fuzz.mjs', values.seed, String(first), String(end), kind];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
    let trial = first - 1;
    let ready = false;
    let done = false;
    let heard = { clock: Date.now(), work: 0 };
    const timer = setInterval(() => {
      const now = Date.now();
      const work = workOf(child.pid);
      const hangs = ready && work !== null && work - heard.work > PATIENCE.work;
      if (hangs || now - heard.clock > PATIENCE.clock * 1000) {
        found({
          finding: `a hang: more than ${PATIENCE.work} s of work`,
          kind,
          run: Number(values.seed),
          index: trial,
        });
        child.kill('SIGKILL');
      } else if (now > deadline && ready) child.kill('SIGTERM');
    }, 200);
    createInterface({ input: child.stdio[3] }).on('line', (text) => {
      heard = { clock: Date.now(), work: workOf(child.pid) ?? 0 };
      const line = JSON.parse(text);
      if (line.ready) ready = true;
      else if (line.trial !== undefined) trial = line.trial;
      else if (line.finding !== undefined) found(line);
      else if (line.done) done = true;
      else {
        totals.rss = Math.max(totals.rss, line.rss);
        for (const [what, count] of Object.entries(line.summary))
          totals.counts.set(what, (totals.counts.get(what) ?? 0) + count);
      }
    });
    child.on('close', (code, signal) => {
      clearInterval(timer);
      const expected = done || signal === 'SIGKILL';
      if (!expected)
        found({ finding: `died: code ${code}, signal ${signal}`, kind, run: Number(values.seed), index: trial });
      totals.trials += Math.max(0, trial + 1 - first);
      resolve(trial + 1);
    });
  });
}

async function run(kind, seconds) {
  const totals = { trials: 0, rss: 0, counts: new Map() };
  const only = values.only === undefined ? null : Number(values.only);
  const begin = Date.now();
  const deadline = begin + seconds * 1000;
  let next = only ?? 0;
  do next = await runChild(kind, next, only === null ? FOREVER : only + 1, deadline, totals);
  while (only === null && Date.now() < deadline);
  const rate = Math.round((totals.trials / (Date.now() - begin)) * 60_000);
  console.log(
    `${kind}: ${totals.trials} trials, ${rate} a minute, at most ${Math.round(totals.rss / 1024 / 1024)} MiB resident`,
  );
  for (const [what, count] of [...totals.counts].sort()) console.log(`  ${String(count).padStart(7)}  ${what}`);
}

await build({ mode: 'fuzz', logLevel: 'error' });
const kinds = values.kind === undefined ? Object.keys(SHARES) : [values.kind];
for (const kind of kinds) await run(kind, Number(values.seconds) * (kinds.length === 1 ? 1 : SHARES[kind]));
console.log(`seed ${values.seed}: ${findings.size === 0 ? 'no findings' : `${findings.size} findings`}`);
for (const { first, count } of findings.values())
  console.log(`  ${count} times, first --kind ${first.kind} --only ${first.index}`);
process.exitCode = findings.size === 0 ? 0 : 1;
