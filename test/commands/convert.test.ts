/** `convert` into targets that exist. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { CONVERT_DEFAULTS, type ConvertRequest, convert } from '../../src/commands/convert.js';
import { nodePlatform } from '../../src/platform/node/platform.js';
import { describeWith } from '../support/judges.js';
import { qemuImg } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { rejection } from '../support/rejection.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
/** Ends within a cluster of any size. */
const SOURCE_SIZE = MIB + 5 * 512;

describeWith(['qemu-img'], 'convert -n', () => {
  const scratch = scratchDirectory();
  const random = new Random(8);
  const [base, source] = [random.bytes(3 * MIB), random.bytes(SOURCE_SIZE)];
  source.fill(0, 200_000, 400_000);

  beforeAll(() => {
    writeFileSync(scratch('base'), base);
    writeFileSync(scratch('source'), source);
  });

  const into = (target: string, request: Partial<ConvertRequest>) =>
    convert(nodePlatform, {
      ...CONVERT_DEFAULTS,
      sources: [scratch('source')],
      sourceFormat: 'raw',
      target: scratch(target),
      noCreate: true,
      ...request,
    });

  /** The source, and behind it what the target held before. */
  function expectSourceOverBase(target: string): void {
    qemuImg('convert', '-O', 'raw', scratch(target), scratch('flat'));
    const expected = Buffer.concat([source, base.subarray(SOURCE_SIZE)]);
    expect(Buffer.compare(readFileSync(scratch('flat')), expected)).toBe(0);
  }

  it.each([
    ['an overlay', 'overlay', false],
    ['an overlay, compressed', 'packed-overlay', true],
    ['a full image', 'full', false],
    ['a full image, compressed', 'packed-full', true],
  ])('keeps what lies behind the source’s end in %s, within a cluster too', async (_, name, compress) => {
    if (name.endsWith('overlay'))
      qemuImg('create', '-q', '-f', 'qcow2', '-b', scratch('base'), '-F', 'raw', scratch(name));
    else qemuImg('convert', '-f', 'raw', '-O', 'qcow2', scratch('base'), scratch(name));
    await into(name, { targetFormat: 'qcow2', compress });
    expectSourceOverBase(name);
    expect(qemuImg('check', scratch(name))).toMatch(/^No errors/);
  });

  it('keeps it in a raw image', async () => {
    writeFileSync(scratch('raw'), base);
    await into('raw', {});
    expectSourceOverBase('raw');
  });

  it('with --target-is-zero writes no zeros', async () => {
    writeFileSync(scratch('blank'), new Uint8Array(SOURCE_SIZE).fill(7));
    await into('blank', { targetIsZero: true });
    const written = readFileSync(scratch('blank'));
    // the range of zeros is left as it was, for it was said to be zero
    expect(written.subarray(204_800, 397_312).every((byte) => byte === 7)).toBe(true);
    expect(Buffer.compare(written.subarray(0, 200_000), source.subarray(0, 200_000))).toBe(0);
  });

  it('takes the target as options', async () => {
    writeFileSync(scratch('whole'), new Uint8Array(8 * MIB));
    await into('whole', {
      target: `driver=raw,offset=1M,size=4M,file.filename=${scratch('whole')}`,
      targetImageOptions: true,
    });
    expect(Buffer.compare(readFileSync(scratch('whole')).subarray(MIB, MIB + SOURCE_SIZE), source)).toBe(0);
  });

  it('refuses a target that is smaller, and leaves it alone', async () => {
    writeFileSync(scratch('small'), 'untouched');
    truncateSync(scratch('small'), 4096);
    expect((await rejection(() => into('small', {}))).message).toBe('output file is smaller than input file');
    expect(readFileSync(scratch('small')).subarray(0, 9).toString()).toBe('untouched');
  });

  it('hides the backing file where the source has neither data nor a backing file', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('nothing'), '3M');
    const request = { sources: [scratch('nothing')], sourceFormat: 'qcow2', targetFormat: 'qcow2', noCreate: false };
    await into('hidden', { ...request, backingFile: scratch('base'), backingFormat: 'raw' });
    expect(qemuImg('compare', scratch('nothing'), scratch('hidden'))).toMatch(/identical/);
  });
});
