// The zstd kernel on one core against libzstd, unit by unit: MB/s and size of the result, and the ratio of the two.
//   node test/bench/zstd.mjs [--rounds 5] [--megabytes 24] [--unit 65536] [--levels 1,3,9] [--image RAW] [--wasm FILE]
// Both run in turn, round by round; printed are medians of processor time. Each decodes what it has encoded itself.
// Needs a C compiler and libzstd.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dataSets } from './data-sets.mjs';
import { median } from './statistics.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '24' },
    unit: { type: 'string', default: '65536' },
    levels: { type: 'string', default: '1,2,3,4,5,7,9,12,15,19' },
    image: { type: 'string' },
    wasm: { type: 'string', default: 'build/kernels.wasm' },
  },
});
const unit = Number(flags.unit);
const rounds = Number(flags.rounds);
const budget = Number(flags.megabytes) << 20;
const PAGE = 65536;

function processorSeconds(work) {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (user + system) / 1e6, result };
}

/** The kernel with `bytes` in its arena: one pass of compression, one of decompression. */
function openKernel(bytes) {
  const room = 3 * bytes.length + (1 << 20);
  const memory = new WebAssembly.Memory({ initial: 512 + Math.ceil(room / PAGE) });
  const module = new WebAssembly.Module(readFileSync(flags.wasm));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const source = exports.ARENA.value;
  const frames = source + bytes.length + PAGE;
  const scratch = exports.SCRATCH_OUT.value;
  new Uint8Array(memory.buffer, source, bytes.length).set(bytes);
  /** Address and length of each frame. */
  let written = [];
  const compress = (level) => {
    written = [];
    let total = 0;
    let at = frames;
    for (let offset = 0; offset < bytes.length; offset += unit) {
      const length = exports.zstdCompress(source + offset, unit, at, unit + 1024, level);
      written.push([at, length]);
      at += length;
      total += Math.min(length, unit);
    }
    return total;
  };
  const decompress = () => {
    for (const [at, length] of written) {
      if (exports.zstdDecompress(at, length, scratch, unit) !== unit) throw new Error('refused');
    }
  };
  return { compress, decompress };
}

const folder = mkdtempSync(join(tmpdir(), 'diskloom-zstd-'));
const judge = join(folder, 'judge');
const source = new URL('zstd-judge.c', import.meta.url).pathname;
if (spawnSync('cc', ['-O2', '-o', judge, source, '-lzstd']).status !== 0) {
  console.error('A C compiler and the headers of libzstd (Debian: gcc, libzstd-dev) are needed.');
  process.exit(1);
}
console.log(`# ${cpus()[0].model}, Node ${process.version}, medians of ${rounds} rounds, units of ${unit} bytes`);
for (const [name, bytes] of dataSets({ unit, budget, image: flags.image })) {
  const file = join(folder, 'units');
  writeFileSync(file, bytes);
  const kernel = openKernel(bytes);
  console.log(`\n## ${name}: ${(bytes.length / 1e6).toFixed(0)} MB`);
  console.log('level    compress MB/s: own, C, ratio    size: own, C, ratio       decompress MB/s: own, C, ratio');
  for (const level of flags.levels.split(',').map(Number)) {
    const times = { own: [], native: [], ownBack: [], nativeBack: [] };
    let ownSize = 0;
    let nativeSize = 0;
    for (let round = 0; round <= rounds; round++) {
      const own = processorSeconds(() => kernel.compress(level));
      const back = processorSeconds(() => kernel.decompress());
      const native = execFileSync(judge, [file, String(unit), String(level)])
        .toString()
        .split(' ')
        .map(Number);
      ownSize = own.result;
      nativeSize = native[2];
      // The first round warms caches and compilers up.
      if (round === 0) continue;
      times.own.push(own.seconds);
      times.ownBack.push(back.seconds);
      times.native.push(native[0]);
      times.nativeBack.push(native[1]);
    }
    const speed = (seconds) => bytes.length / 1e6 / median(seconds);
    const pair = (own, native, digits, width) =>
      [own.toFixed(digits), native.toFixed(digits), (own / native).toFixed(3)].map((x) => x.padStart(width)).join('');
    const cells = [
      pair(speed(times.own), speed(times.native), 0, 9),
      pair(ownSize / bytes.length, nativeSize / bytes.length, 4, 9),
      pair(speed(times.ownBack), speed(times.nativeBack), 0, 9),
    ];
    console.log(`${String(level).padEnd(10)}${cells.join('     ')}`);
  }
}
rmSync(folder, { recursive: true });
