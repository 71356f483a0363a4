import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NbdOptions } from '../../src/platform/net/nbd/open.js';
import type { NbdStore } from '../../src/platform/net/nbd/store.js';
import { openNbd } from '../../src/platform/node/nbd.js';
import { describeWith } from '../support/judges.js';
import { Random } from '../support/random.js';
import { Servers } from './servers.js';

const MIB = 1024 * 1024;

let servers: Servers;
let stores: NbdStore[];

beforeEach(() => {
  servers = new Servers();
  stores = [];
});

afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await servers.stop();
});

async function opened(uri: string, options: Omit<NbdOptions, 'connect'> = {}): Promise<NbdStore> {
  const store = await openNbd(uri, options);
  stores.push(store);
  return store;
}

async function readAll(store: NbdStore, offset = 0, length = store.size - offset): Promise<Uint8Array> {
  const bytes = new Uint8Array(length).fill(0xee);
  await store.read(offset, bytes);
  return bytes;
}

async function extentsOf(store: NbdStore): Promise<(string | number)[][]> {
  const all: (string | number)[][] = [];
  for (let at = 0; at < store.size; ) {
    for (const { start, length, hole } of await store.extents!(at, store.size - at)) {
      expect(start).toBe(at);
      at += length;
      all.push([hole ? 'hole' : 'data', length]);
    }
  }
  return all;
}

function sh(program: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Writes, zeroes and reads pieces of any alignment, many at once, beside a model in memory. */
async function exercise(store: NbdStore, seed: number): Promise<void> {
  const random = new Random(seed);
  const model = await readAll(store);
  for (let round = 0; round < 4; round++) {
    const unit = Math.floor(store.size / 16);
    const work = Array.from({ length: 16 }, async (_, slot) => {
      const start = slot * unit + random.below(unit);
      const length = random.below((slot + 1) * unit - start);
      if (random.below(3) === 0) {
        model.fill(0, start, start + length);
        await store.zero(start, length);
      } else {
        const bytes = random.bytes(length);
        model.set(bytes, start);
        await store.write(start, bytes);
      }
    });
    await Promise.all(work);
    const offset = random.below(store.size);
    expect(Buffer.compare(await readAll(store, offset), model.subarray(offset))).toBe(0);
  }
  await store.flush();
  expect(Buffer.compare(await readAll(store), model)).toBe(0);
}

describeWith(['nbdkit'], 'exports of nbdkit', () => {
  it.each([
    ['as it is', ['memory', '3M']],
    ['without extents', ['--filter=noextents', 'memory', '3M']],
    ['without WRITE_ZEROES', ['--filter=nozero', 'memory', '3M', 'zeromode=none']],
    ['with WRITE_ZEROES that is no faster', ['--filter=nozero', 'memory', '3M', 'zeromode=notrim']],
    ['without multi-conn', ['--filter=multi-conn', 'memory', '3M', 'multi-conn-mode=disable']],
    ['with simple replies only', ['--no-sr', 'memory', '3M']],
    ['by plain newstyle', ['--mask-handshake=0', 'memory', '3M']],
    ['by fixed newstyle with padding', ['--mask-handshake=1', 'memory', '3M']],
    ['of odd size', ['memory', '3145729']],
    [
      'in blocks of 512',
      ['--filter=blocksize-policy', 'memory', '3M', 'blocksize-error-policy=error', 'blocksize-minimum=512'],
    ],
    [
      'in blocks of 64 KiB, at most 128 KiB at once',
      [
        '--filter=blocksize-policy',
        'memory',
        '3M',
        'blocksize-error-policy=error',
        'blocksize-minimum=64K',
        'blocksize-preferred=64K',
        'blocksize-maximum=128K',
      ],
    ],
    [
      'in blocks of 4 KiB with a payload limit that is no multiple of the preferred size',
      [
        '--filter=blocksize-policy',
        'memory',
        '3M',
        'blocksize-error-policy=error',
        'blocksize-minimum=4K',
        'blocksize-preferred=8K',
        'blocksize-maximum=100K',
      ],
    ],
    ['that answers late and out of order', ['--filter=delay', 'memory', '3M', 'rdelay=2ms', 'wdelay=1ms']],
  ])('%s: reads, writes and zeroes any range', async (_, args) => {
    const store = await opened(await servers.nbdkit(...args), { writable: true });
    await exercise(store, 1);
  });

  it('by oldstyle: reads and writes', async () => {
    // This nbdkit offers an oldstyle client zeroing and flushing, and then refuses both.
    const uri = await servers.nbdkit('-o', 'memory', '3M');
    const store = await opened(uri, { writable: true });
    const bytes = new Random(2).bytes(MIB);
    await store.write(1, bytes);
    expect(Buffer.compare(await readAll(store, 1, MIB), bytes)).toBe(0);
    await expect(openNbd(uri.replace('///', '///name'))).rejects.toMatchObject({
      code: 'not-found',
      message: 'Server does not support non-empty export names',
    });
  });

  it('reads, over several connections, what the pattern plugin makes of each offset', async () => {
    const store = await opened(await servers.nbdkit('pattern', '64M'), { connections: 4 });
    const size = 4 * MIB;
    const reads = Array.from({ length: 16 }, async (_, index) => {
      const bytes = Buffer.from(await readAll(store, index * size, size));
      for (let at = 0; at < size; at += 8) if (bytes.readBigUInt64BE(at) !== BigInt(index * size + at)) return false;
      return true;
    });
    expect(await Promise.all(reads)).toEqual(reads.map(() => true));
  });

  it('reads into and writes from shared memory', async () => {
    const store = await opened(await servers.nbdkit('memory', '1M'), { writable: true });
    const shared = new Uint8Array(new SharedArrayBuffer(MIB));
    shared.set(new Random(3).bytes(MIB));
    await store.write(0, shared);
    const back = new Uint8Array(new SharedArrayBuffer(MIB));
    await store.read(0, back);
    expect(Buffer.compare(Buffer.from(shared), Buffer.from(back))).toBe(0);
  });

  it('reads more than a server sends at once', async () => {
    const store = await opened(await servers.nbdkit('pattern', '80M'));
    const bytes = Buffer.from(await readAll(store));
    expect(bytes.readBigUInt64BE(80 * MIB - 8)).toBe(BigInt(80 * MIB - 8));
  });

  it('tells holes from data in a sparse file and keeps them when it zeroes', async () => {
    const file = servers.path('sparse.raw');
    sh('truncate', '-s', '16M', file);
    sh('dd', 'if=/dev/urandom', `of=${file}`, 'bs=1M', 'seek=4', 'count=2', 'conv=notrunc', 'status=none');
    const store = await opened(await servers.nbdkit('file', file), { writable: true });
    expect(await extentsOf(store)).toEqual([
      ['hole', 4 * MIB],
      ['data', 2 * MIB],
      ['hole', 10 * MIB],
    ]);
    await store.zero(4 * MIB, 2 * MIB);
    expect(await extentsOf(store)).toEqual([['hole', 16 * MIB]]);
    const inside = { start: 5 * MIB + 1, length: 100, hole: true, stored: false };
    expect(await store.extents!(5 * MIB + 1, 100)).toEqual([inside]);
  });

  it('keeps zeroed ranges allocated when that is asked for', async () => {
    const file = servers.path('full.raw');
    writeFileSync(file, new Random(4).bytes(MIB));
    const store = await opened(await servers.nbdkit('file', file), { writable: true, keepAllocated: true });
    await store.zero(0, MIB);
    await store.flush();
    expect(readFileSync(file).every((byte) => byte === 0)).toBe(true);
    expect(Number(sh('du', '--block-size=1', file).split('\t')[0])).toBeGreaterThanOrEqual(MIB);
  });

  it('trims', async () => {
    const log = servers.path('log');
    const uri = await servers.nbdkit('--filter=log', 'memory', '1M', `logfile=${log}`);
    const store = await opened(uri, { writable: true });
    await store.trim(4096, 8192);
    expect(readFileSync(log, 'utf8')).toMatch(/ Trim .* offset=0x1000 count=0x2000 /);
  });

  it('holds 1 TiB, zeroed in a few requests', async () => {
    const log = servers.path('log');
    const store = await opened(await servers.nbdkit('--filter=log', 'null', '1T', `logfile=${log}`), {
      writable: true,
    });
    await store.zero(0, store.size);
    const requests = readFileSync(log, 'utf8').match(/ Zero id=/g) ?? [];
    expect(requests.length).toBe(1024);
  });

  it('has no extents to offer when the server has none', async () => {
    const store = await opened(await servers.nbdkit('--filter=noextents', '--no-sr', 'memory', '1M'));
    expect(store.extents).toBeUndefined();
  });

  it('opens an empty export', async () => {
    const store = await opened(await servers.nbdkit('memory', '0'), { writable: true });
    await store.read(0, new Uint8Array(0));
    await store.zero(0, 0);
    await expect(store.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'io', message: 'Input/output error' });
    expect(store.size).toBe(0);
  });

  it('refuses ranges beyond the end without asking the server', async () => {
    const log = servers.path('log');
    const uri = await servers.nbdkit('--filter=log', 'memory', '1M', `logfile=${log}`);
    const store = await opened(uri, { writable: true });
    const noSpace = { code: 'no-space', message: 'No space left on device' };
    await expect(store.read(MIB - 1, new Uint8Array(2))).rejects.toMatchObject({ code: 'io', offset: MIB - 1 });
    await expect(store.write(MIB, new Uint8Array(1))).rejects.toMatchObject(noSpace);
    await expect(store.zero(MIB - 1, 2)).rejects.toMatchObject(noSpace);
    await expect(store.truncate(MIB + 1)).rejects.toMatchObject({ code: 'invalid', message: 'Cannot grow NBD nodes' });
    await expect(store.truncate(0)).rejects.toMatchObject({ code: 'invalid', message: 'Cannot resize NBD nodes' });
    await store.truncate(MIB);
    expect(readFileSync(log, 'utf8')).not.toMatch(/\b(Read|Write|Zero) /);
  });

  it('does not open a read-only export for writing, and does not write to it', async () => {
    const uri = await servers.nbdkit('-r', 'memory', '1M');
    await expect(openNbd(uri, { writable: true })).rejects.toMatchObject({
      code: 'denied',
      message: 'request on write for read-only export',
    });
    const store = await opened(uri);
    await expect(store.write(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'denied' });
    await expect(store.zero(0, 1)).rejects.toMatchObject({ code: 'denied' });
    expect(store.readOnly).toBe(true);
  });

  it.each([
    ['EPERM', 'denied', 'Operation not permitted'],
    ['EIO', 'io', 'Input/output error'],
    ['ENOMEM', 'io', 'Cannot allocate memory'],
    ['EINVAL', 'invalid', 'Invalid argument'],
    ['ENOSPC', 'no-space', 'No space left on device'],
  ])('gives the reason for an error of the server: %s', async (name, code, message) => {
    const filter = ['--filter=error', 'memory', '1M', `error=${name}`, 'error-rate=1', 'error-pread-rate=0'];
    const store = await opened(await servers.nbdkit(...filter), { writable: true });
    await expect(store.write(0, new Uint8Array(512))).rejects.toMatchObject({ code, message });
    await expect(store.zero(0, 512)).rejects.toMatchObject({ code, message });
    expect(await readAll(store, 0, 4)).toEqual(new Uint8Array(4));
  });

  it('fails one read of many and goes on with the others', async () => {
    const uri = await servers.nbdkit(
      'eval',
      'get_size=echo 16M',
      // One range cannot be read.
      'pread=if [ $4 -eq 1048576 ]; then echo EIO bad sector >&2; exit 1; fi; head -c $3 /dev/zero',
      'thread_model=echo parallel',
    );
    const store = await opened(uri);
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, (_, index) => store.read(index * MIB, new Uint8Array(MIB))),
    );
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual(results.map((_, index) => index !== 1));
    expect(results[1]).toMatchObject({ reason: { code: 'io', message: 'Input/output error' } });
  });

  it('gives requests in flight and to come the same end when it is closed or cancelled', async () => {
    const uri = await servers.nbdkit('--filter=delay', 'memory', '1M', 'rdelay=20');
    const controller = new AbortController();
    const cancelled = await opened(uri, { signal: controller.signal });
    const reading = cancelled.read(0, new Uint8Array(10));
    controller.abort();
    await expect(reading).rejects.toMatchObject({ code: 'aborted' });
    await expect(cancelled.read(0, new Uint8Array(10))).rejects.toMatchObject({ code: 'aborted' });

    const closed = await opened(uri);
    const pending = closed.read(0, new Uint8Array(10));
    await Promise.all([closed.close(), expect(pending).rejects.toMatchObject({ code: 'disconnected' })]);
    await expect(closed.flush()).rejects.toMatchObject({ code: 'disconnected' });
  });

  it('is not opened when the signal has fired already', async () => {
    const uri = await servers.nbdkit('memory', '1M');
    await expect(openNbd(uri, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  });

  it('opens further connections only while the first is busy, and at most as many as allowed', async () => {
    const log = servers.path('log');
    const uri = await servers.nbdkit(
      '--filter=log',
      '--filter=delay',
      'memory',
      '64M',
      'rdelay=20ms',
      `logfile=${log}`,
    );
    const connections = () => (readFileSync(log, 'utf8').match(/ Connect /g) ?? []).length;
    const store = await opened(uri, { connections: 3 });
    for (let round = 0; round < 4; round++) await store.read(0, new Uint8Array(64 * 1024));
    expect(connections()).toBe(1);
    for (let round = 0; round < 4; round++)
      await Promise.all(Array.from({ length: 16 }, (_, index) => store.read(index * MIB, new Uint8Array(MIB))));
    expect(connections()).toBe(3);
  });

  it('keeps to one connection if the server does not share its cache between several', async () => {
    const log = servers.path('log');
    const args = ['--filter=multi-conn', '--filter=log', 'memory', '64M', `logfile=${log}`, 'multi-conn-mode=disable'];
    const store = await opened(await servers.nbdkit(...args), { connections: 3 });
    for (let round = 0; round < 4; round++)
      await Promise.all(Array.from({ length: 16 }, (_, index) => store.read(index * MIB, new Uint8Array(MIB))));
    expect(readFileSync(log, 'utf8').match(/ Connect /g)).toHaveLength(1);
  });
});

describeWith(['nbdkit'], 'a server that dies', () => {
  it('fails every request in flight and every one after that', async () => {
    const server = await servers.nbdkitProcess(servers.path('x.sock'), ['--filter=delay', 'memory', '8M', 'rdelay=20']);
    const store = await opened(server.uri);
    const reads = Array.from({ length: 8 }, (_, index) => store.read(index * MIB, new Uint8Array(MIB)));
    const settled = Promise.allSettled(reads);
    await server.kill();
    const results = await settled;
    expect(results.map((result) => result.status === 'rejected' && result.reason.code)).toEqual(
      results.map(() => 'disconnected'),
    );
    await expect(store.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'disconnected' });
  });

  it('is waited for, with a reconnect delay, and asked again', async () => {
    const socket = servers.path('x.sock');
    const file = servers.path('disk.raw');
    const content = new Random(5).bytes(8 * MIB);
    writeFileSync(file, content);
    const slow = await servers.nbdkitProcess(socket, ['--filter=delay', 'file', file, 'rdelay=20']);
    const store = await opened(slow.uri, { reconnectDelay: 30 });
    const reading = readAll(store);
    await slow.kill();
    await servers.nbdkitProcess(socket, ['file', file]);
    expect(Buffer.compare(await reading, content)).toBe(0);
  });

  it('is not taken for the same when its export has another size', async () => {
    const socket = servers.path('x.sock');
    const server = await servers.nbdkitProcess(socket, ['memory', '8M']);
    const store = await opened(server.uri, { reconnectDelay: 30 });
    await server.kill();
    await servers.nbdkitProcess(socket, ['memory', '9M']);
    await expect(store.read(0, new Uint8Array(1))).rejects.toMatchObject({
      code: 'io',
      message: 'The size of the export has changed',
    });
  });

  it('is not waited for longer than the reconnect delay', async () => {
    const server = await servers.nbdkitProcess(servers.path('x.sock'), ['memory', '8M']);
    const store = await opened(server.uri, { reconnectDelay: 1 });
    await server.kill();
    await expect(store.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'disconnected' });
  });

  it('is waited for at the start, with an open timeout', async () => {
    const socket = servers.path('x.sock');
    const opening = opened(`nbd+unix:///?socket=${socket}`, { openTimeout: 30 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await servers.nbdkitProcess(socket, ['memory', '8M']);
    expect((await opening).size).toBe(8 * MIB);
  });
});

describeWith(['qemu-nbd', 'qemu-img', 'qemu-io'], 'exports of qemu-nbd', () => {
  it('reads, writes and maps a qcow2 image by its export name', async () => {
    const image = servers.path('disk.qcow2');
    sh('qemu-img', 'create', '-q', '-f', 'qcow2', image, '8M');
    sh('qemu-io', '-f', 'qcow2', '-c', 'write -P 5 1M 1M', image);
    const store = await opened(await servers.qemuNbd('my disk', '-f', 'qcow2', image), { writable: true });
    expect(store.info.headers).toBe('extended');
    expect(await extentsOf(store)).toEqual([
      ['hole', MIB],
      ['data', MIB],
      ['hole', 6 * MIB],
    ]);
    expect((await readAll(store, MIB, MIB)).every((byte) => byte === 5)).toBe(true);
    await exercise(store, 2);
  });

  it('spreads reads of a read-only export that may be shared', async () => {
    const image = servers.path('disk.raw');
    const content = new Random(6).bytes(8 * MIB);
    writeFileSync(image, content);
    const store = await opened(await servers.qemuNbd('', '-f', 'raw', '-r', '-e', '4', image), { connections: 4 });
    expect(Buffer.compare(await readAll(store), content)).toBe(0);
    expect(store.readOnly).toBe(true);
  });

  it('works with one connection where the server admits no second', async () => {
    const image = servers.path('disk.raw');
    const content = new Random(7).bytes(8 * MIB);
    writeFileSync(image, content);
    const store = await opened(await servers.qemuNbd('', '-f', 'raw', '-r', image), { connections: 4 });
    for (let round = 0; round < 4; round++) expect(Buffer.compare(await readAll(store), content)).toBe(0);
  });

  it('says what qemu-img says of an export that is not there', async () => {
    const image = servers.path('disk.raw');
    writeFileSync(image, new Uint8Array(512));
    const uri = (await servers.qemuNbd('there', '-f', 'raw', '-e', '2', image)).replace('there', 'elsewhere');
    const { stderr } = spawnSync('qemu-img', ['info', uri], { encoding: 'utf8' });
    const error = await openNbd(uri).catch((reason) => reason);
    expect(error.code).toBe('not-found');
    expect(`qemu-img: Could not open '${uri}': ${error.message}\n`).toBe(stderr);
  });
});

describeWith(['qemu-img'], 'servers that cannot be reached', () => {
  it.each([
    'nbd://127.0.0.1:1',
    'nbd://localhost:1/x',
    'nbd://[::1]:1',
    'nbd://no.such.host.invalid',
    'nbd::1',
    'nbd:unix:',
    'nbd+unix:///?socket=/nonexistent/socket',
    'nbd+unix:///?socket=/etc/passwd',
    `nbd:unix:/${'x'.repeat(120)}`,
  ])('are called what qemu-img calls them: %s', async (uri) => {
    const { stderr } = spawnSync('qemu-img', ['info', uri], { encoding: 'utf8' });
    const error = await openNbd(uri).catch((reason) => reason);
    expect(`qemu-img: Could not open '${uri}': ${error.message}\n`).toBe(stderr);
  });
});
