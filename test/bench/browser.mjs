// The page in Chromium beside what could be as fast: Node's command, and a plain copy into OPFS. Paired, A B, B A ...
//   npm run bench:browser [-- --runs 3] [--data 1000] [--only REGEX]
// `--data`: MB of data, four times that is the large disk. Prints medians of seconds, their ratio pair by pair, and the sum of
// the resident sizes of all of the browser's processes. Needs a build, Chromium, and 10 GB of disk.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { warmMemory } from './memory.mjs';
import { childSeconds, processorSeconds, residentBytes } from './processes.mjs';
import { writeDisk } from './program-files.mjs';
import { median } from './statistics.mjs';

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    data: { type: 'string', default: '1000' },
    only: { type: 'string', default: '.' },
  },
});
const MB = 1e6;
const data = Number(flags.data) * MB;
const folder = mkdtempSync(join(tmpdir(), 'diskloom-bench-browser-'));
const file = (name) => join(folder, name);
const disks = {
  dense: file('dense.img'),
  small: file('small.img'),
  large: file('large.img'),
  qcow2: file('large.qcow2'),
};

/** Copies a file into OPFS as fast as a browser can, and does nothing else. */
const COPY_WORKER = `onmessage = async ({ data: file }) => {
  const root = await navigator.storage.getDirectory();
  const target = await (await root.getFileHandle('copy', { create: true })).createSyncAccessHandle();
  const reader = file.stream().getReader({ mode: 'byob' });
  self.reader = reader;
  const least = Math.min(file.size, 2 * 1024 * 1024);
  let buffer = new ArrayBuffer(least);
  for (let at = 0; at < file.size; ) {
    const { value } = await reader.read(new Uint8Array(buffer), { min: Math.min(least, file.size - at) });
    target.write(value, { at });
    at += value.length;
    buffer = value.buffer;
  }
  target.close();
  postMessage('copied');
  await root.removeEntry('copy');
  postMessage('removed');
};`;

async function serve() {
  cpSync('dist/web-app', file('site'), { recursive: true });
  writeFileSync(file('site/copy-worker.js'), COPY_WORKER);
  const server = spawn(process.execPath, ['scripts/serve.mjs'], {
    env: { ...process.env, PORT: '0', FOLDER: file('site') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await once(server.stdout, 'data');
  return { server, address: output.toString().trim() };
}

function launch() {
  const off = ['gpu', 'quic', 'background-networking', 'component-update', 'sync'].map((name) => `--disable-${name}`);
  return chromium.launchPersistentContext(file('profile'), {
    executablePath: process.env.DISKLOOM_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--no-first-run', ...off],
  });
}

let warming = 0;

/** Its processor seconds are nobody's. */
function warm() {
  const before = childSeconds();
  warmMemory(data);
  warming += childSeconds() - before;
}

async function timed(action) {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}

/**
 * Seconds of the page for a conversion, as a person sees it; the result is dropped. The page itself looks at its clock: whoever
 * asks from outside does so twice a second.
 */
async function byPage(page, { source, format, compress }) {
  await page.getByLabel('Disk image').setInputFiles(source);
  await page.getByText('Size of the file').waitFor();
  await page.getByRole('combobox', { name: 'Output format' }).selectOption(format);
  if (format === 'qcow2') await page.getByRole('checkbox', { name: 'Compress' }).setChecked(compress);
  const ended = await page.evaluateHandle(() => {
    const end = () => [...document.querySelectorAll('[role=status]')].find((e) => /^(Done|Failed)/.test(e.textContent));
    const { promise, resolve } = Promise.withResolvers();
    document.addEventListener(
      'click',
      () => {
        const start = performance.now();
        new MutationObserver((_, observer) => {
          const status = end()?.textContent;
          if (status === undefined) return;
          observer.disconnect();
          resolve({ status, seconds: (performance.now() - start) / 1000 });
        }).observe(document, { subtree: true, childList: true, characterData: true });
      },
      { capture: true, once: true },
    );
    return { promise };
  });
  warm();
  await page.getByRole('button', { name: 'Convert' }).click();
  const { status, seconds } = await ended.evaluate(({ promise }) => promise);
  if (status !== 'Done') throw new Error(status);
  await page.getByRole('button', { name: 'Discard' }).click();
  return seconds;
}

async function byCommand(_page, { source, sourceFormat, format, compress }) {
  const args = ['convert', '-f', sourceFormat, '-O', format, ...(compress ? ['-c'] : []), source, file('out')];
  warm();
  const seconds = await timed(async () => execFileSync(process.execPath, ['dist/cli.js', ...args]));
  rmSync(file('out'));
  return seconds;
}

async function byCopy(page, { source }) {
  await page.evaluate(() =>
    document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'copy' })),
  );
  await page.locator('#copy').setInputFiles(source);
  warm();
  const seconds = await page.evaluate(async () => {
    const worker = new Worker('copy-worker.js');
    const told = (word) =>
      new Promise((resolve, reject) => {
        worker.addEventListener('message', ({ data }) => data === word && resolve());
        worker.addEventListener('error', reject);
      });
    const start = performance.now();
    const removed = told('removed');
    worker.postMessage(document.querySelector('#copy').files[0]);
    await told('copied');
    const seconds = (performance.now() - start) / 1000;
    await removed;
    worker.terminate();
    return seconds;
  });
  await page.evaluate(() => document.querySelector('#copy').remove());
  return seconds;
}

const CASES = [
  {
    name: 'raw → qcow2 -c, beside Node',
    source: disks.large,
    sourceFormat: 'raw',
    format: 'qcow2',
    compress: true,
    rival: byCommand,
  },
  {
    name: 'qcow2 → qcow2 -c, beside Node',
    source: disks.qcow2,
    sourceFormat: 'qcow2',
    format: 'qcow2',
    compress: true,
    rival: byCommand,
  },
  { name: 'qcow2 → raw, beside Node', source: disks.qcow2, sourceFormat: 'qcow2', format: 'raw', rival: byCommand },
  { name: 'dense raw → qcow2, beside a copy into OPFS', source: disks.dense, format: 'qcow2', rival: byCopy },
  { name: 'sparse raw → qcow2, beside a copy into OPFS', source: disks.large, format: 'qcow2', rival: byCopy },
];

async function compare(context, address) {
  console.log(
    '| | page s | MB/s of data | rival s | rival is so much slower, by pairs | MiB resident before, at most |',
  );
  console.log('|---|---|---|---|---|---|');
  for (const each of CASES.filter(({ name }) => new RegExp(flags.only).test(name))) {
    const page = await context.newPage();
    await page.goto(address);
    await byPage(page, { ...each, source: disks.small });
    const pairs = [];
    const before = residentBytes(folder);
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, residentBytes(folder));
    }, 250);
    for (let run = 0; run < Number(flags.runs); run++) {
      const pair = {};
      const both = [
        async () => {
          const start = processorSeconds(folder);
          pair.page = await byPage(page, each);
          pair.pageWork = processorSeconds(folder) - start;
        },
        async () => {
          const start = processorSeconds(folder) + childSeconds() - warming;
          pair.rival = await each.rival(page, each);
          pair.rivalWork = processorSeconds(folder) + childSeconds() - warming - start;
        },
      ];
      for (const one of run % 2 ? both.reverse() : both) await one();
      pairs.push(pair);
    }
    clearInterval(watch);
    const middle = (of) => median(pairs.map(of)).toFixed(2);
    const ratio = ({ page, rival }) => rival / page;
    const resident = [before, most].map((bytes) => Math.round(bytes / 2 ** 20)).join(', ');
    const cells = [
      each.name,
      middle(({ page }) => page),
      middle(({ page }) => data / MB / page),
      middle(({ rival }) => rival),
      `**${middle(ratio)}** (${pairs.map((pair) => ratio(pair).toFixed(2)).join(' ')})`,
      `${middle(({ pageWork }) => pageWork)} / ${middle(({ rivalWork }) => rivalWork)}`,
      resident,
    ];
    console.log(`| ${cells.join(' | ')} |`);
    await page.close();
  }
}

/** A fresh browser for each size. */
async function memory(address) {
  console.log('\n| conversion | disk | MiB resident before, at most |\n|---|---|---|');
  for (const [format, compress] of [
    ['qcow2', false],
    ['qcow2', true],
  ]) {
    for (const source of [disks.small, disks.large]) {
      const context = await launch();
      const page = await context.newPage();
      await page.goto(address);
      await page.getByLabel('Disk image').setInputFiles(source);
      await page.getByText('Size of the file').waitFor();
      const before = residentBytes(folder);
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, residentBytes(folder));
      }, 100);
      await byPage(page, { source, format, compress });
      clearInterval(watch);
      const [low, high] = [before, most].map((bytes) => Math.round(bytes / 2 ** 20));
      console.log(
        `| raw → ${format}${compress ? ' -c' : ''} | ${source === disks.small ? 'a quarter' : 'whole'} | ${low}, ${high} |`,
      );
      await context.close();
    }
  }
}

let server;
try {
  writeDisk(disks.small, { size: data, data: data / 4 });
  writeDisk(disks.large, { size: 4 * data, data });
  writeDisk(disks.dense, { size: data, data });
  execFileSync(process.execPath, ['dist/cli.js', 'convert', '-f', 'raw', '-O', 'qcow2', disks.large, disks.qcow2]);
  const site = await serve();
  server = site.server;
  const context = await launch();
  await compare(context, site.address);
  await context.close();
  if (/memory/.test(flags.only) || flags.only === '.') await memory(site.address);
} finally {
  server?.kill();
  rmSync(folder, { recursive: true, force: true });
}
