// The kernels on one core against native code, on units of 64 KiB: MB/s and size of the result. (zstd has zstd.mjs.)
//   node test/bench/kernels.mjs [--rounds 5] [--megabytes 24] [--levels 1,6,9] [--only REGEX] [--image RAW] [--wasm FILE]
// Contestants run in turn, round by round; what is printed is the median of processor time, so that other programs on
// the machine disturb little. Native rivals need a C compiler, zlib and libdeflate; without them only Node's zlib
// competes. libdeflate always has its window of 32 KiB.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as zlib from 'node:zlib';
import { dataSets } from './data-sets.mjs';
import { median } from './statistics.mjs';

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
const PAGE = 65536;
const UNIT = 65536;
const WINDOW = 4096;
const rounds = Number(flags.rounds);
const budget = Number(flags.megabytes) << 20;
const levels = flags.levels.split(',').map(Number);
const only = new RegExp(flags.only);
const folder = mkdtempSync(join(tmpdir(), 'diskloom-kernels-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

/** Runs a pass; the size that it returns goes along. */
function timed(pass) {
  const before = process.cpuUsage();
  const size = pass();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (user + system) / 1e6, size };
}

function unitsOf(bytes) {
  return Array.from({ length: bytes.length / UNIT }, (_, index) => bytes.subarray(index * UNIT, (index + 1) * UNIT));
}

/** The kernel's passes over units and over their streams; both lie in its arena. */
function kernelPasses(bytes, streams) {
  const packed = Buffer.concat(streams);
  const memory = new WebAssembly.Memory({ initial: 512 + Math.ceil((bytes.length + packed.length) / PAGE) });
  const module = new WebAssembly.Module(readFileSync(flags.wasm));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const source = exports.ARENA.value;
  const out = exports.SCRATCH_OUT.value;
  new Uint8Array(memory.buffer, source, bytes.length).set(bytes);
  new Uint8Array(memory.buffer, source + bytes.length, packed.length).set(packed);
  const eachUnit = (sizeAfter) => {
    let size = 0;
    for (let at = 0; at < bytes.length; at += UNIT) size += sizeAfter(source + at);
    return size;
  };
  return {
    deflate: (level, window) => eachUnit((unit) => exports.deflate(unit, UNIT, out, UNIT, level, window, 0) || UNIT),
    call: (name, ...settings) => eachUnit((unit) => Number(exports[name](unit, UNIT, ...settings))),
    inflate() {
      let at = source + bytes.length;
      for (const { length } of streams) {
        if (exports.inflate(at, length, out, UNIT, 0) !== 0) throw new Error('the kernel refused a stream');
        at += length;
      }
    },
    lengths: out,
  };
}

/** Compiles the native side; null where that is not possible. */
function compileJudge() {
  const program = join(folder, 'judge');
  const source = new URL('deflate-judge.c', import.meta.url).pathname;
  return spawnSync('cc', ['-O2', '-o', program, source, '-lz', '-ldeflate']).status === 0 ? program : null;
}

function nativeContestants(judge, file) {
  const native = (name, ...settings) => ({
    name,
    run() {
      const printed = execFileSync(judge, [file, UNIT, ...settings].map(String)).toString();
      const [seconds, size] = printed.split(' ').map(Number);
      return { seconds, size };
    },
  });
  return [
    native('deflate zlib (C) level 6', 'zlib', 'deflate', 6, 12),
    ...levels.map((level) =>
      native(`deflate libdeflate (C) level ${level}, 32 KiB`, 'libdeflate', 'deflate', level, 15),
    ),
    native('inflate zlib (C)', 'zlib', 'inflate', 6, 12),
    native('inflate libdeflate (C)', 'libdeflate', 'inflate', 6, 12),
  ];
}

/** All that competes on a data set: a name, and one pass that tells processor seconds and size. */
function contestants(bytes, judge) {
  const file = join(folder, 'units');
  writeFileSync(file, bytes);
  const units = unitsOf(bytes);
  const deflated = (unit) => zlib.deflateRawSync(unit, { level: 6, windowBits: 12 });
  const streams = units.map(deflated);
  const kernel = kernelPasses(bytes, streams);
  const inline = (name, pass) => ({ name, run: () => timed(pass) });
  return [
    ...(judge === null ? [] : nativeContestants(judge, file)),
    inline("deflate Node's zlib level 6", () =>
      units.reduce((size, unit) => size + Math.min(UNIT, deflated(unit).length), 0),
    ),
    ...levels.map((level) => inline(`deflate level ${level}`, () => kernel.deflate(level, WINDOW))),
    ...levels.map((level) => inline(`deflate level ${level}, 32 KiB`, () => kernel.deflate(level, 32_768))),
    inline("inflate Node's zlib", () => {
      for (const stream of streams) zlib.inflateRawSync(stream);
    }),
    inline('inflate', kernel.inflate),
    ...['crc32', 'crc32c', 'adler32', 'xxh64'].map((name) => inline(name, () => kernel.call(name, 0))),
    inline('split', () => kernel.call('split', 4096, 4096, kernel.lengths)),
  ].filter(({ name }) => only.test(name));
}

console.log(`# ${cpus()[0].model}, Node ${process.version}, medians of ${rounds} rounds`);
console.log(`# units of ${UNIT} bytes, window of ${WINDOW} bytes where none is named`);
const judge = compileJudge();
for (const [name, bytes] of dataSets({ unit: UNIT, budget, image: flags.image })) {
  const rows = contestants(bytes, judge).map((contestant) => ({ ...contestant, seconds: [], size: 0 }));
  for (let round = 0; round <= rounds; round++) {
    for (const row of rows) {
      const { seconds, size } = row.run();
      // The first round warms caches and compilers up.
      if (round > 0) row.seconds.push(seconds);
      row.size = size;
    }
  }
  console.log(`\n## ${name}: ${(bytes.length / 1e6).toFixed(0)} MB`);
  for (const row of rows) {
    const speed = (bytes.length / 1e6 / median(row.seconds)).toFixed(0);
    const size = row.name.startsWith('deflate') ? (row.size / bytes.length).toFixed(4) : '';
    console.log(`${row.name.padEnd(44)} ${speed.padStart(6)} MB/s  ${size}`.trimEnd());
  }
}
