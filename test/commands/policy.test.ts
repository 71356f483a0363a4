/** Which files an image may name: law 5. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { CONVERT_DEFAULTS, convert } from '../../src/commands/convert.js';
import { imageInfo } from '../../src/commands/info.js';
import { mapImage } from '../../src/commands/map.js';
import { nodePlatform } from '../../src/platform/node/platform.js';
import { describeWith } from '../support/judges.js';
import { qemuImg } from '../support/qemu.js';
import { rejection } from '../support/rejection.js';
import { scratchDirectory } from '../support/scratch.js';

describeWith(['qemu-img'], 'a file that an image names', () => {
  const scratch = scratchDirectory();

  /** An overlay in `images/` whose header names `reference`, whatever that is. */
  function overlay(name: string, reference: string): string {
    const path = scratch(`images/${name}`);
    qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', reference, '-F', 'raw', path, '1M');
    return path;
  }

  beforeAll(() => {
    mkdirSync(scratch('images/below'), { recursive: true });
    mkdirSync(scratch('elsewhere'));
    for (const name of ['images/beside', 'images/below/base', 'elsewhere/secret', 'images.txt'])
      writeFileSync(scratch(name), new Uint8Array(4096).fill(65));
    symlinkSync(scratch('elsewhere/secret'), scratch('images/link'));
    symlinkSync(scratch('images'), scratch('door'));
  });

  const open = (path: string, allowExternal = false) =>
    mapImage(
      nodePlatform,
      { name: path, imageOptions: false, format: null, share: false, startOffset: 0, maxLength: null, allowExternal },
      { onOpen: () => {}, onEntry: () => true },
    );

  it.each(['beside', 'below/base', './below/../beside', 'below/base'])(
    'is opened beside or below it: %s',
    async (name) => {
      await expect(open(overlay('inside', name))).resolves.toBeUndefined();
    },
  );

  it('is opened by its absolute name too, also if the image was named through a link', async () => {
    overlay('absolute', scratch('images/beside'));
    await expect(open(scratch('door/absolute'))).resolves.toBeUndefined();
  });

  it.each([
    ['../elsewhere/secret', /lies outside the directory of the image/],
    ['/etc/hostname', /lies outside the directory of the image/],
    ['../images.txt', /lies outside the directory of the image/],
    ['link', /lies outside the directory of the image/],
    ['nbd://localhost:1/x', /is not a local file/],
    ['nbd+unix:///x?socket=/tmp/s', /is not a local file/],
    [`json:{"driver":"raw","file":{"driver":"file","filename":"/etc/hostname"}}`, /lies outside/],
    [
      `json:{"driver":"raw","file":{"driver":"blkdebug","image":{"driver":"file","filename":"/etc/hostname"}}}`,
      /lies outside/,
    ],
    [`blkdebug:/etc/hostname:beside`, /lies outside/],
    [`blkdebug::/etc/hostname`, /lies outside/],
    [
      `json:{"driver":"raw","file":{"driver":"quorum","vote-threshold":1,"children":[{"driver":"null-co"}]}}`,
      /is not a local file/,
    ],
    [`json:{"driver":"raw","file":{"driver":"nbd","host":"localhost","port":"1"}}`, /is not a local file/],
  ])('is refused elsewhere: %s', async (name, reason) => {
    const error = await rejection(() => open(overlay('outside', name)));
    expect(error.code).toBe('external');
    expect(error.message).toMatch(reason);
    expect(error.message).toContain('--allow-external');
  });

  it('is opened elsewhere if the user allows it', async () => {
    await expect(open(overlay('allowed', '../elsewhere/secret'), true)).resolves.toBeUndefined();
  });

  it('is opened elsewhere if the user names it himself', async () => {
    const target = scratch('images/new');
    await convert(nodePlatform, {
      ...CONVERT_DEFAULTS,
      sources: [scratch('images/beside')],
      target,
      targetFormat: 'qcow2',
      backingFile: scratch('elsewhere/secret'),
      backingFormat: 'raw',
    });
    const told = await imageInfo(nodePlatform, {
      ...{ name: target, imageOptions: false, format: null, share: false },
      ...{ backingChain: false, allowExternal: false },
    });
    expect(told[0]?.backing?.name).toBe(scratch('elsewhere/secret'));
    // but the next one who opens it has not named it
    expect((await rejection(() => open(target))).code).toBe('external');
  });

  it('is not opened to tell what the image is', async () => {
    const path = overlay('told', '/etc/hostname');
    const request = { name: path, imageOptions: false, format: null, share: false, allowExternal: false };
    const [info] = await imageInfo(nodePlatform, { ...request, backingChain: false });
    expect(info?.backing).toEqual({ name: '/etc/hostname', fullName: '/etc/hostname', format: 'raw' });
    expect((await rejection(() => imageInfo(nodePlatform, { ...request, backingChain: true }))).code).toBe('external');
  });

  it('is refused as a data file elsewhere', async () => {
    const path = scratch('images/split');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${scratch('elsewhere/data')}`, path, '1M');
    expect((await rejection(() => open(path))).code).toBe('external');
    await expect(open(path, true)).resolves.toBeUndefined();
  });

  it.each([1, 2, 3])('is found to lead back to the image, over %d steps', async (steps) => {
    const names = Array.from({ length: steps }, (_, index) => `loop${steps}-${index}`);
    names.forEach((name, index) => {
      const next = names[(index + 1) % steps]!;
      const path = scratch(`images/${name}`);
      const made = spawnSync('qemu-img', [
        'create',
        '-q',
        '-u',
        '-f',
        'qcow2',
        '-b',
        `./${next}`,
        '-F',
        'qcow2',
        path,
        '1M',
      ]);
      // qemu-img itself refuses only what is spelled alike
      expect(made.status).toBe(0);
    });
    const error = await rejection(() => open(scratch(`images/${names[0]}`)));
    expect(error.message).toMatch(/creates an infinite loop\.$/);
  });
});
