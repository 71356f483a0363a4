import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { convert, imageInfo } from '../../src/platform/node/index.js';
import { type FileServer, serveFile } from '../support/file-server.js';
import { qemuImg } from '../support/qemu.js';

const folder = mkdtempSync(join(tmpdir(), 'diskloom-http-names-'));
const at = (name: string) => join(folder, name);
let server: FileServer;
afterEach(() => server?.close());
afterAll(() => rmSync(folder, { recursive: true }));

describe('images on web servers', () => {
  it('are read by parts, by URL and by options', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', at('a.qcow2'), '20M');
    server = await serveFile(at('a.qcow2'));
    const url = `${server.address}a.qcow2`;
    const [info] = await imageInfo(url);
    expect(info).toMatchObject({ format: 'qcow2', virtualSize: 20 * 2 ** 20, fileName: url, actualSize: null });
    await convert(`json:{"driver":"qcow2","file":{"driver":"http","url":"${url}"}}`, at('a.img'), { format: 'raw' });
    expect(readFileSync(at('a.img')).every((byte) => byte === 0)).toBe(true);
    expect(server.log.every((line) => /^GET \d+-\d+ 206$/.test(line))).toBe(true);
  });

  it('are not written', async () => {
    qemuImg('create', '-q', '-f', 'raw', at('b.img'), '1M');
    server = await serveFile(at('b.img'));
    await expect(convert(at('b.img'), `${server.address}c.img`, { format: 'raw' })).rejects.toMatchObject({
      code: expect.stringMatching(/denied|unsupported/),
    });
  });

  it('are no backing files unless that is allowed', async () => {
    qemuImg('create', '-q', '-f', 'raw', at('base.img'), '1M');
    server = await serveFile(at('base.img'));
    const base = `${server.address}base.img`;
    qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', base, '-F', 'raw', at('top.qcow2'), '1M');
    await expect(convert(at('top.qcow2'), at('d.img'), { format: 'raw' })).rejects.toMatchObject({ code: 'external' });
    expect(server.log).toEqual([]);
    await convert(at('top.qcow2'), at('d.img'), { format: 'raw', allowExternal: true });
    expect(server.log.length).toBeGreaterThan(0);
  });

  it('say why they cannot be had', async () => {
    server = await serveFile(at('base.img'), { ranges: false });
    const url = `${server.address}x.img`;
    await expect(imageInfo(url)).rejects.toMatchObject({
      code: 'unsupported',
      message: `Could not open '${url}': The server sends whole files only, no parts of them (HTTP range requests)`,
    });
    await expect(imageInfo(`${server.address}none`)).rejects.toMatchObject({ code: 'not-found' });
  });
});
