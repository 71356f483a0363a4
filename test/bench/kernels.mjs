// The kernels on one core against native code, on units of 64 KiB: MB/s and size of the result.
//   node test/bench/kernels.mjs [--rounds 5] [--megabytes 24] [--levels 1,6,9] [--only REGEX] [--image RAW] [--wasm FILE]
// Contestants run in turn, round by round; what is printed is the median of processor time, so that other programs on the
// machine disturb little. Native rivals need a C compiler, zlib and libdeflate; without them only Node's zlib competes.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as zlib from 'node:zlib';
import { rootFileSystem } from './image.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '24' },
    levels: { type: 'string', default: '1,2,3,4,5,6,7,8,9,10,11,12' },
    only: { type: 'string', default: '.' },
    image: { type: 'string' },
    wasm: { type: 'string', default: 'build/kernels.wasm' },
  },
});
const UNIT = 65536;
const WINDOW = 4096;
const rounds = Number(flags.rounds);
const budget = Number(flags.megabytes) << 20;
const levels = flags.levels.split(',').map(Number);
const only = new RegExp(flags.only);
const folder = mkdtempSync(join(tmpdir(), 'diskloom-kernels-'));

/** Units that are not zero, taken evenly from all of the disk. */
function diskUnits() {
  const file = openSync(flags.image ?? rootFileSystem(), 'r');
  const count = Math.floor(fstatSync(file).size / UNIT);
  const used = [];
  const unit = Buffer.alloc(UNIT);
  for (let index = 0; index < count; index++) {
    readSync(file, unit, 0, UNIT, index * UNIT);
    if (unit.some((byte) => byte !== 0)) used.push(index);
  }
  const wanted = Math.min(used.length, budget / UNIT);
  const bytes = Buffer.alloc(wanted * UNIT);
  for (let index = 0; index < wanted; index++) {
    const from = used[Math.floor((index * used.length) / wanted)] * UNIT;
    readSync(file, bytes, index * UNIT, UNIT, from);
  }
  closeSync(file);
  return bytes;
}

/** The files below `roots` whose names match, one behind the other. */
function files(roots, pattern) {
  const parts = [];
  let length = 0;
  for (const root of roots) {
    for (const entry of readdirSync(root, { withFileTypes: true, recursive: true })) {
      if (length >= budget) break;
      if (!entry.isFile() || !pattern.test(entry.name)) continue;
      const content = readFileSync(join(entry.path, entry.name)).subarray(0, 1 << 20);
      parts.push(content);
      length += content.length;
    }
  }
  const bytes = Buffer.concat(parts);
  return bytes.subarray(0, Math.min(budget, bytes.length - (bytes.length % UNIT)));
}

const sets = {
  'root file system': diskUnits,
  'text (doc, headers)': () => files(['/usr/share/doc', '/usr/include'], /^(?!.*\.(gz|xz|png|bz2|zip)$)/),
  'already compressed': () => files(['/usr/share', '/usr/lib'], /\.(gz|xz|png|jpg|zip|woff2|jar|whl)$/),
};

function processorSeconds(work) {
  const before = process.cpuUsage();
  const total = work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (user + system) / 1e6, total };
}

let memory = null;
let exports = null;

async function openKernel() {
  memory = new WebAssembly.Memory({ initial: 512 + Math.ceil((2 * budget) / 65536) });
  const module = await WebAssembly.compile(readFileSync(flags.wasm));
  exports = (await WebAssembly.instantiate(module, { env: { memory } })).exports;
}

/** Passes over all units by the wasm kernels; the data lies in their arena. */
function kernelPasses(bytes) {
  const arena = exports.ARENA.value;
  const out = exports.SCRATCH_OUT.value;
  new Uint8Array(memory.buffer, arena, bytes.length).set(bytes);
  const each = (visit) => {
    let total = 0;
    for (let at = 0; at < bytes.length; at += UNIT) total += visit(arena + at, at);
    return total;
  };
  return {
    deflate: (level, window) => each((source) => exports.deflate(source, UNIT, out, UNIT, level, window, 0) || UNIT),
    inflate(streams) {
      const place = arena + bytes.length + 4096;
      let at = place;
      for (const stream of streams) {
        new Uint8Array(memory.buffer, at, stream.length).set(stream);
        at += stream.length;
      }
      return () => {
        let from = place;
        for (const stream of streams) {
          if (exports.inflate(from, stream.length, out, UNIT, 0) !== 0) throw new Error('refused');
          from += stream.length;
        }
        return 0;
      };
    },
    checksum: (name) => each((source) => (exports[name](source, UNIT, 0), UNIT)),
    split: () => each((source) => (exports.split(source, UNIT, 4096, 4096, out), UNIT)),
  };
}

function compileJudge() {
  const program = join(folder, 'judge');
  const source = new URL('judge.c', import.meta.url).pathname;
  const done = spawnSync('cc', ['-O2', '-o', program, source, '-lz', '-ldeflate']);
  return done.status === 0 ? program : null;
}

function units(bytes) {
  return Array.from({ length: bytes.length / UNIT }, (_, index) => bytes.subarray(index * UNIT, (index + 1) * UNIT));
}

/** Contestants of one data set: name and one pass, which returns processor seconds and size. */
function contestants(bytes, judge) {
  const file = join(folder, 'units');
  writeFileSync(file, bytes);
  const kernel = kernelPasses(bytes);
  const node = { level: 6, windowBits: 12 };
  const streams = units(bytes).map((unit) => zlib.deflateRawSync(unit, node));
  const native = (...args) => ({
    name: `${args[0]} (C) ${args[1]}${args[1] === 'deflate' ? ` level ${args[2]}, window ${2 ** args[3]}` : ''}`,
    run() {
      const [seconds, total] = execFileSync(judge, [file, UNIT, ...args].map(String))
        .toString()
        .split(' ');
      return { seconds: Number(seconds), total: Number(total) };
    },
  });
  const own = (name, pass) => ({ name, run: () => processorSeconds(pass) });
  return [
    ...(judge ? [native('zlib', 'deflate', 6, 12)] : []),
    own("Node's zlib deflate level 6, window 4096", () =>
      units(bytes).reduce((total, unit) => total + Math.min(UNIT, zlib.deflateRawSync(unit, node).length), 0),
    ),
    ...(judge ? levels.map((level) => native('libdeflate', 'deflate', level, 15)) : []),
    ...levels.map((level) => own(`diskloom deflate level ${level}, window 4096`, () => kernel.deflate(level, WINDOW))),
    own('diskloom deflate level 6, window 32768', () => kernel.deflate(6, 32768)),
    ...(judge ? [native('zlib', 'inflate', 6, 12), native('libdeflate', 'inflate', 6, 12)] : []),
    own("Node's zlib inflate", () => streams.reduce((sum, stream) => sum + zlib.inflateRawSync(stream).length * 0, 0)),
    own('diskloom inflate', kernel.inflate(streams)),
    ...['crc32', 'crc32c', 'adler32', 'xxh64'].map((name) => own(`diskloom ${name}`, () => kernel.checksum(name))),
    own('diskloom split', kernel.split),
  ].filter(({ name }) => only.test(name));
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

console.log(`# ${cpus()[0].model}, Node ${process.version}, medians of ${rounds} rounds, units of ${UNIT} bytes`);
await openKernel();
const judge = compileJudge();
for (const [name, load] of Object.entries(sets)) {
  const bytes = load();
  const rows = contestants(bytes, judge).map((contestant) => ({ ...contestant, times: [], total: 0 }));
  for (let round = 0; round <= rounds; round++) {
    for (const row of rows) {
      const { seconds, total } = row.run();
      // The first round warms caches and compilers up.
      if (round > 0) row.times.push(seconds);
      row.total = total;
    }
  }
  console.log(`\n## ${name}: ${(bytes.length / 1e6).toFixed(0)} MB`);
  for (const row of rows) {
    const speed = (bytes.length / 1e6 / median(row.times)).toFixed(0);
    const size = /deflate level/.test(row.name) ? (row.total / bytes.length).toFixed(4) : '';
    console.log(`${row.name.padEnd(48)} ${speed.padStart(6)} MB/s  ${size}`);
  }
}
rmSync(folder, { recursive: true });
