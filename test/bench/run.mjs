// Whole programs, paired: diskloom and qemu-img convert the same files in turn, A B, B A, A B ..., in one run.
//   npm run bench [-- --runs 5] [--only REGEX] [--image RAW] [--json FILE]
// Prints medians of wall seconds, their ratio pair by pair, processor seconds and peak resident memory. Each case ends with
// a look at what diskloom has written: `qemu-img compare` must find it identical.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { folder, rootFileSystem } from './image.mjs';
import { warmMemory } from './memory.mjs';
import { median } from './statistics.mjs';

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '.' },
    image: { type: 'string' },
    json: { type: 'string' },
  },
});
const cli = new URL('../../dist/cli.js', import.meta.url).pathname;
// Certificates that the machine adds to those of Node cost 0.03 s at each start, whatever the program does.
const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
mkdirSync(folder, { recursive: true });

const raw = flags.image ?? rootFileSystem();
const out = join(folder, 'out');
const dataSize = statSync(raw).blocks * 512;
const sources = {
  raw,
  plain: join(folder, 'plain.qcow2'),
  zlib: join(folder, 'zlib.qcow2'),
  zstd: join(folder, 'zstd.qcow2'),
};

const STREAM = ['-o', 'subformat=streamOptimized'];
const ZSTD = ['-o', 'compression_type=zstd'];
/** name, arguments of `convert` before the file names, source, what else qemu-img may be given to be as fast as it can. */
const cases = [
  { name: 'raw → raw', args: ['-f', 'raw', '-O', 'raw'], source: 'raw' },
  { name: 'raw → qcow2', args: ['-f', 'raw', '-O', 'qcow2'], source: 'raw' },
  { name: 'qcow2 → raw', args: ['-f', 'qcow2', '-O', 'raw'], source: 'plain' },
  { name: 'qcow2 → qcow2', args: ['-f', 'qcow2', '-O', 'qcow2'], source: 'plain' },
  { name: 'qcow2 zlib → raw', args: ['-f', 'qcow2', '-O', 'raw'], source: 'zlib' },
  { name: 'qcow2 zstd → raw', args: ['-f', 'qcow2', '-O', 'raw'], source: 'zstd' },
  { name: 'raw → qcow2 -c', args: ['-f', 'raw', '-O', 'qcow2', '-c'], source: 'raw' },
  { name: 'qcow2 → qcow2 -c', args: ['-f', 'qcow2', '-O', 'qcow2', '-c'], source: 'plain' },
  { name: 'qcow2 zlib → qcow2 -c', args: ['-f', 'qcow2', '-O', 'qcow2', '-c'], source: 'zlib' },
  {
    name: 'raw → qcow2 -c, qemu-img -W -m 16',
    args: ['-f', 'raw', '-O', 'qcow2', '-c'],
    source: 'raw',
    rival: ['-W', '-m', '16'],
  },
  { name: 'raw → qcow2 -c zstd', args: ['-f', 'raw', '-O', 'qcow2', '-c', ...ZSTD], source: 'raw' },
  { name: 'raw → vmdk streamOptimized', args: ['-f', 'raw', '-O', 'vmdk', ...STREAM], source: 'raw' },
];

function prepareSources() {
  const convert = (...args) => {
    const done = spawnSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', ...args], { stdio: 'inherit' });
    if (done.status !== 0) throw new Error('qemu-img failed');
  };
  const fresh = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs >= statSync(raw).mtimeMs;
  if (!fresh(sources.plain)) convert(raw, sources.plain);
  if (!fresh(sources.zlib)) convert('-c', '-W', '-m', '16', raw, sources.zlib);
  if (!fresh(sources.zstd)) convert('-c', '-W', '-m', '16', ...ZSTD, raw, sources.zstd);
}

/** One run as a whole process: wall and processor seconds, peak resident MiB, size of the result. */
async function time(program, args) {
  rmSync(out, { force: true });
  warmMemory(dataSize);
  const start = process.hrtime.bigint();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment });
  let peak = 0;
  let ticks = 0;
  const look = () => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      ticks = Math.max(ticks, Number(stat[11]) + Number(stat[12]));
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, 10);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${code}`);
  return { wall, cpu: ticks / 100, peak, size: statSync(out).blocks * 512 };
}

/** The content of diskloom's result, judged by the other program. */
function verify(args) {
  const format = args[args.indexOf('-O') + 1];
  const done = spawnSync('qemu-img', ['compare', '-f', 'raw', '-F', format, raw, out], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`the result is wrong: ${done.stdout}${done.stderr}`);
}

async function pair({ name, args, source, rival = [] }) {
  const ours = ['convert', ...args, sources[source], out];
  const theirs = ['convert', ...args, ...rival, sources[source], out];
  const a = () => time(process.execPath, [cli, ...ours]);
  const b = () => time('qemu-img', theirs);
  await b();
  await a();
  verify(args);
  const runs = [];
  for (let i = 0; i < Number(flags.runs); i++)
    runs.push(i % 2 === 0 ? { a: await a(), b: await b() } : { b: await b(), a: await a() });
  const of = (pick) => median(runs.map(pick));
  return {
    name,
    runs: runs.length,
    diskloom: {
      wall: of((r) => r.a.wall),
      cpu: of((r) => r.a.cpu),
      peak: of((r) => r.a.peak),
      size: of((r) => r.a.size),
    },
    qemuImg: {
      wall: of((r) => r.b.wall),
      cpu: of((r) => r.b.cpu),
      peak: of((r) => r.b.peak),
      size: of((r) => r.b.size),
    },
    ratio: of((r) => r.a.wall / r.b.wall),
  };
}

prepareSources();
console.log(`# ${cpus()[0].model.trim()}, ${cpus().length} processors, Node ${process.version}`);
console.log(`# ${spawnSync('qemu-img', ['--version']).stdout.toString().split('\n')[0]}`);
console.log(`# ${raw}: ${dataSize / 1e6} MB of data in ${statSync(raw).size / 1e6} MB`);
console.log('| conversion | diskloom s | qemu-img s | ratio | cpu s | MiB | size MB |');
console.log('|---|---|---|---|---|---|---|');
const results = [];
for (const one of cases.filter(({ name }) => new RegExp(flags.only).test(name))) {
  const r = await pair(one);
  results.push(r);
  const both = (pick, digits) => `${pick(r.diskloom).toFixed(digits)} / ${pick(r.qemuImg).toFixed(digits)}`;
  console.log(
    `| ${r.name} | ${r.diskloom.wall.toFixed(2)} | ${r.qemuImg.wall.toFixed(2)} | ${r.ratio.toFixed(2)} | ` +
      `${both((x) => x.cpu, 2)} | ${both((x) => x.peak, 0)} | ${both((x) => x.size / 1e6, 1)} |`,
  );
}
rmSync(out, { force: true });
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(results, null, 2)}\n`);
