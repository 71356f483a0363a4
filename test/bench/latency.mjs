// Network storage with latency: NBD to NBD over nbdkit, 5 ms a read and 5 ms a write, in pairs with qemu-img.
//   npm run bench:latency [-- --runs 5] [--size 1G]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './statistics.mjs';

const { values: flags } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, size: { type: 'string', default: '1G' } },
});
const cli = new URL('../../dist/cli.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'diskloom-latency-'));
const servers = [];

/** Starts a server on a unix socket and returns its URI. */
async function serve(name, ...args) {
  const socket = join(folder, name);
  servers.push(spawn('nbdkit', ['-f', '-U', socket, '--filter=delay', ...args], { stdio: 'inherit' }));
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
  return `nbd+unix:///?socket=${socket}`;
}

function time(program, args) {
  const start = process.hrtime.bigint();
  const done = spawnSync(program, args, { stdio: 'inherit' });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${done.status}`);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const source = await serve('source', 'pattern', flags.size, 'rdelay=5ms');
const target = await serve('target', 'memory', flags.size, 'wdelay=5ms');
const ways = [
  ['-m', '1'],
  ['-m', '8'],
  ['-m', '8', '-W'],
  ['-m', '16', '-W'],
];

console.log(`# ${flags.size} of data, 5 ms a read, 5 ms a write; medians of ${flags.runs}`);
console.log('| options | diskloom s | qemu-img s | ratio |');
console.log('|---|---|---|---|');
try {
  for (const way of ways) {
    const args = ['convert', '-n', '-f', 'raw', '-O', 'raw', ...way, source, target];
    const runs = [];
    for (let i = 0; i <= Number(flags.runs); i++) {
      const pair = { ours: time(process.execPath, [cli, ...args]), theirs: time('qemu-img', args) };
      if (i > 0) runs.push(pair);
    }
    const of = (pick) => median(runs.map(pick)).toFixed(2);
    console.log(
      `| ${way.join(' ')} | ${of((r) => r.ours)} | ${of((r) => r.theirs)} | ${of((r) => r.ours / r.theirs)} |`,
    );
  }
} finally {
  for (const server of servers) server.kill();
  rmSync(folder, { recursive: true });
}
