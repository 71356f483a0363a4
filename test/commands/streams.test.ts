/** Compressed clusters that a conversion takes over as they are. */
import { readFileSync, writeFileSync } from 'node:fs';
import { constants, deflateRawSync } from 'node:zlib';
import { beforeAll, expect, it } from 'vitest';
import { CONVERT_DEFAULTS, type ConvertRequest, convert } from '../../src/commands/convert.js';
import { nodePlatform } from '../../src/platform/node/platform.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { rejection } from '../support/rejection.js';
import { scratchDirectory } from '../support/scratch.js';

const KIB = 1024;
const CLUSTER = 64 * KIB;
/** Ends within a cluster. */
const SIZE = 40 * CLUSTER + 5 * KIB;

/** Halves of random bytes and of zeros in turn: compressible, and not alike. */
function content(random: Random): Uint8Array {
  const bytes = random.bytes(SIZE);
  for (let at = 0; at < SIZE; at += CLUSTER) bytes.fill(at / CLUSTER, at + CLUSTER / 4, at + CLUSTER / 2);
  bytes.fill(0, 10 * CLUSTER, 12 * CLUSTER);
  return bytes;
}

describeWith(['qemu-img'], 'streams taken over', () => {
  const scratch = scratchDirectory();
  const bytes = content(new Random(4));

  beforeAll(() => {
    writeFileSync(scratch('raw'), bytes);
    for (const codec of ['zlib', 'zstd'])
      qemuImg('convert', '-c', '-O', 'qcow2', '-o', `compression_type=${codec}`, scratch('raw'), scratch(codec));
  });

  const into = (source: string, target: string, request: Partial<ConvertRequest> = {}) =>
    convert(nodePlatform, {
      ...CONVERT_DEFAULTS,
      sources: [scratch(source)],
      target: scratch(target),
      targetFormat: 'qcow2',
      compress: true,
      ...request,
    });

  function expectGood(target: string, expected = scratch('raw')): void {
    expect(qemuImg('check', scratch(target))).toMatch(/^No errors/);
    expect(qemuImg('compare', scratch(target), expected)).toBe('Images are identical.\n');
  }

  /** Whether the target holds what the source holds at the start of each of its streams. */
  function sharesStreams(source: string, target: string): boolean {
    const from = readFileSync(scratch(source));
    const to = readFileSync(scratch(target));
    const first = Number(from.readBigUInt64BE(Number(l2Of(from))) & ((1n << 54n) - 1n));
    return to.includes(from.subarray(first, first + 4 * KIB));
  }

  function l2Of(image: Buffer): bigint {
    return image.readBigUInt64BE(Number(image.readBigUInt64BE(40))) & 0x00ff_ffff_ffff_fe00n;
  }

  it.each(['zlib', 'zstd'])('%s: the same streams, for every number of runs in flight', async (codec) => {
    const options = `compression_type=${codec}`;
    await into(codec, `${codec}-8`, { options });
    await into(codec, `${codec}-1`, { options, parallel: 1 });
    expectGood(`${codec}-8`);
    expect(sharesStreams(codec, `${codec}-8`)).toBe(true);
    expect(Buffer.compare(readFileSync(scratch(`${codec}-8`)), readFileSync(scratch(`${codec}-1`)))).toBe(0);
  });

  it.each([
    ['another codec', 'compression_type=zstd'],
    ['another cluster size', 'cluster_size=32k'],
    ['a level', 'compression_level=9'],
  ])('%s: compressed anew', async (_, options) => {
    await into('zlib', 'anew', { options });
    expectGood('anew');
    expect(sharesStreams('zlib', 'anew')).toBe(false);
  });

  it('clusters of zeros that are compressed are left out, and with -S 0 taken over', async () => {
    const io = Array.from({ length: 4 }, (_, i) => `write -c -P 0 ${i * 64}k 64k`);
    qemuImg('create', '-q', '-f', 'qcow2', scratch('zeros'), '1M');
    qemuIo(scratch('zeros'), 'qcow2', ...io, 'write -c -P 7 512k 64k');
    await into('zeros', 'sparse');
    await into('zeros', 'all', { sparse: 0 });
    expectGood('sparse', scratch('zeros'));
    expectGood('all', scratch('zeros'));
    const allocated = (name: string) => /^(\d+)\/16/.exec(qemuImg('check', scratch(name)).split('\n')[1]!)![1];
    expect([allocated('sparse'), allocated('all')]).toEqual(['1', '16']);
  });

  it('through a backing chain, where clusters are as large', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-b', scratch('zlib'), '-F', 'qcow2', scratch('top'));
    qemuIo(scratch('top'), 'qcow2', 'write -P 3 192k 4k', 'write -c -P 4 256k 64k');
    await into('top', 'flat');
    expectGood('flat', scratch('top'));
    expect(sharesStreams('zlib', 'flat')).toBe(true);
  });

  it('not one that goes on behind its cluster', async () => {
    // Of one cluster, so that nothing follows in its last sector.
    writeFileSync(scratch('cluster'), bytes.subarray(0, CLUSTER));
    qemuImg('convert', '-c', '-O', 'qcow2', scratch('cluster'), scratch('one'));
    const image = readFileSync(scratch('one'));
    const entry = image.readBigUInt64BE(Number(l2Of(image)));
    const first = Number(entry & ((1n << 54n) - 1n));
    const room = (Number((entry >> 54n) & 0xffn) + 1) * 512 - (first & 511);
    // A sync flush ends the data of the cluster, and no final block follows.
    const open = deflateRawSync(bytes.subarray(0, CLUSTER), { finishFlush: constants.Z_SYNC_FLUSH, windowBits: 12 });
    expect(open.length).toBeLessThanOrEqual(room);
    image.fill(0xff, first, first + room);
    image.set(open, first);
    writeFileSync(scratch('open'), image);
    await into('open', 'closed');
    expectGood('closed', scratch('cluster'));
    expect(readFileSync(scratch('closed')).includes(open)).toBe(false);
  });

  it('not one that is damaged', async () => {
    const image = readFileSync(scratch('zlib'));
    const first = Number(image.readBigUInt64BE(Number(l2Of(image))) & ((1n << 54n) - 1n));
    image.fill(0xff, first + 100, first + 200);
    writeFileSync(scratch('damaged'), image);
    expect(await rejection(() => into('damaged', 'never'))).toMatchObject({ code: 'corrupt' });
  });
});
