import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openRemote } from '../../src/platform/net/http/open.js';
import { readRemote } from '../../src/platform/net/http/read.js';
import type { RemoteFile } from '../../src/platform/net/http/remote-file.js';
import { type FileServer, type Manner, serveFile } from '../support/file-server.js';
import { Random } from '../support/random.js';

const folder = mkdtempSync(join(tmpdir(), 'diskloom-http-'));
const path = join(folder, 'disk');
const content = new Random(5).bytes(300_000);
writeFileSync(path, content);

let server: FileServer;
async function serve(manner: Partial<Manner> = {}): Promise<string> {
  server = await serveFile(path, manner);
  return `${server.address}some%20where/my%20disk.img?x=1#part`;
}
afterEach(() => server?.close());
afterAll(() => rmSync(folder, { recursive: true }));

async function read(file: RemoteFile, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await readRemote(file, offset, into);
  return into;
}

describe('a file on a web server', () => {
  it('is asked for once, and read by parts', async () => {
    const file = await openRemote(await serve());
    expect(file).toMatchObject({ name: 'my disk.img', size: 300_000, etag: '"1"' });
    expect(await read(file, 1000, 5000)).toEqual(content.subarray(1000, 6000));
    expect(await read(file, 299_999, 1)).toEqual(content.subarray(299_999));
    expect(await read(file, 0, 0)).toHaveLength(0);
    expect(server.log).toEqual(['GET 0-0 206', 'GET 1000-5999 206', 'GET 299999-299999 206']);
  });

  it('may be empty', async () => {
    writeFileSync(join(folder, 'empty'), '');
    server = await serveFile(join(folder, 'empty'));
    expect(await openRemote(server.address)).toMatchObject({ size: 0, name: '127.0.0.1' });
  });

  it('has to be read by parts', async () => {
    await expect(openRemote(await serve({ ranges: false }))).rejects.toMatchObject({
      code: 'unsupported',
      message: 'The server sends whole files only, no parts of them (HTTP range requests)',
    });
  });

  it.each([
    [404, 'not-found', 'The server has no such file (HTTP 404)'],
    [403, 'denied', 'The server refuses to send the file (HTTP 403)'],
    [503, 'disconnected', 'The server cannot answer now (HTTP 503)'],
    [418, 'io', 'The server gave an unexpected answer (HTTP 418)'],
  ])('says what HTTP status %i means', async (how, code, message) => {
    const address = await serve({ failures: { count: 1, how } });
    await expect(openRemote(address)).rejects.toMatchObject({ code, message });
  });

  it.each(['', 'disk.img', 'ftp://host/x', 'file:///etc/passwd', 'https://me:word@host/x'])(
    'is not at %j',
    async (address) => {
      await expect(openRemote(address)).rejects.toMatchObject({ code: 'invalid' });
    },
  );

  it('is tried again after failures that pass', async () => {
    const file = await openRemote(await serve());
    server.manner.failures = { count: 1, how: 503 };
    expect(await read(file, 7, 100)).toEqual(content.subarray(7, 107));
    server.manner.failures = { count: 1, how: 'break' };
    expect(await read(file, 7, 200_000)).toEqual(content.subarray(7, 200_007));
    expect(server.log.slice(1)).toEqual(['GET 7-106 503', 'GET 7-106 206', 'broke off', 'GET 7-200006 206']);
  });

  it('is not tried again for ever', async () => {
    const file = await openRemote(await serve());
    server.manner.failures = { count: 1000, how: 503 };
    await expect(read(file, 7, 100)).rejects.toMatchObject({ code: 'disconnected', file: 'my disk.img', offset: 7 });
    expect(server.log).toHaveLength(5);
  });

  it.each<[string, Partial<Manner>]>([
    ['its ETag', { etag: '"2"' }],
    ['its time', { lastModified: 'Fri, 02 Jan 2026 00:00:00 GMT' }],
  ])('must not change: %s', async (_, manner) => {
    const file = await openRemote(await serve());
    Object.assign(server.manner, manner);
    const message = 'The file on the server was changed after it was opened';
    await expect(read(file, 7, 100)).rejects.toMatchObject({ code: 'io', message });
  });

  it('must not change: its size', async () => {
    const file = await openRemote(await serve());
    const message = 'The file on the server was changed after it was opened';
    await expect(read({ ...file, size: 300_001 }, 7, 100)).rejects.toMatchObject({ code: 'io', message });
    await expect(read({ ...file, size: 400_000 }, 300_000, 100)).rejects.toMatchObject({ code: 'io', message });
  });

  it('is not believed when less of it comes than it says', async () => {
    const file = await openRemote(await serve({ cut: 1, exposes: '' }));
    await expect(read(file, 7, 100)).rejects.toMatchObject({ code: 'disconnected' });
  });

  it('lets itself be cancelled', async () => {
    const file = await openRemote(await serve());
    server.manner.delay = 60_000;
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(readRemote(file, 0, new Uint8Array(10), stop.signal)).rejects.toMatchObject({ code: 'aborted' });
  });
});
