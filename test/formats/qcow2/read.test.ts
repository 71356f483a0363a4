import { readFileSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FileSource, LateSource } from '../../support/file-source.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { Random } from '../../support/random.js';
import { scratchDirectory } from '../../support/scratch.js';
import { asMap, extentsOf, openFile, openSource, qemuMap, readAll } from './support.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Creation options, and the sizes of disk on which they are tried. */
const VARIANTS: { name: string; options: string; size: number; zeros?: boolean }[] = [
  { name: 'version 3, 64 KiB clusters', options: '', size: 8 * MIB },
  { name: 'version 2', options: 'compat=0.10', size: 8 * MIB, zeros: false },
  { name: 'version 2, 512 byte clusters', options: 'compat=0.10,cluster_size=512', size: 1 * MIB, zeros: false },
  { name: '512 byte clusters', options: 'cluster_size=512', size: 2 * MIB },
  { name: '4 KiB clusters', options: 'cluster_size=4k', size: 4 * MIB },
  { name: '2 MiB clusters', options: 'cluster_size=2M', size: 32 * MIB },
  { name: '1 bit refcounts', options: 'refcount_bits=1', size: 4 * MIB },
  { name: '64 bit refcounts', options: 'refcount_bits=64', size: 4 * MIB },
  { name: 'extended L2, 64 KiB clusters', options: 'extended_l2=on', size: 8 * MIB },
  { name: 'extended L2, 16 KiB clusters', options: 'extended_l2=on,cluster_size=16k', size: 4 * MIB },
  { name: 'extended L2, 2 MiB clusters', options: 'extended_l2=on,cluster_size=2M', size: 32 * MIB },
  { name: 'lazy refcounts', options: 'lazy_refcounts=on', size: 4 * MIB },
  { name: 'fully preallocated', options: 'preallocation=full', size: 4 * MIB },
  { name: 'a size that is no multiple of the cluster', options: '', size: 5 * MIB + 512 * 3 },
];

/** Writes, zeroes and discards all over the disk, also across cluster borders. */
function randomCommands(size: number, seed: number, zeros: boolean): string[] {
  const random = new Random(seed);
  return Array.from({ length: 40 }, (_, index) => {
    const offset = 512 * random.below(size / 512);
    const length = Math.min(size - offset, 512 * (1 + random.below(random.below(3) === 0 ? 1000 : 20)));
    const kind = random.below(zeros ? 6 : 4);
    if (kind === 4) return `write -z ${offset} ${length}`;
    if (kind === 5) return `write -zu ${offset} ${length}`;
    if (kind === 3) return `discard ${offset} ${length}`;
    return `write -P ${1 + (index % 255)} ${offset} ${length}`;
  });
}

describeWith(['qemu-img', 'qemu-io'], 'reading what qemu-img made', () => {
  const scratch = scratchDirectory();

  /** The disk as qemu-img sees it. */
  function expected(file: string, ...options: string[]): Uint8Array {
    const raw = `${file}.expected`;
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', ...options, file, raw);
    return readFileSync(raw);
  }

  it.each(VARIANTS)('$name: same content and same map', async ({ name, options, size, zeros = true }) => {
    const file = scratch(`${name}.qcow2`);
    qemuImg('create', '-q', '-f', 'qcow2', ...(options ? ['-o', options] : []), file, String(size));
    qemuIo(file, 'qcow2', ...randomCommands(size, size + options.length, zeros));
    const image = await openFile(file);
    expect(image.size).toBe(size);
    expect(Buffer.compare(await readAll(image), expected(file))).toBe(0);
    expect(asMap(await extentsOf(image))).toEqual(qemuMap(file));
  });

  it('gives the same bytes for requests of any size and place', async () => {
    const file = scratch('unaligned.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'extended_l2=on', file, '4M');
    qemuIo(file, 'qcow2', ...randomCommands(4 * MIB, 7, true));
    const image = await openFile(file);
    const disk = expected(file);
    const random = new Random(3);
    for (let round = 0; round < 300; round++) {
      const offset = random.below(disk.length);
      const length = Math.min(disk.length - offset, random.below(round % 3 === 0 ? 2 * MIB : 5000));
      const into = new Uint8Array(length).fill(0xa5);
      await image.read(offset, into);
      expect(Buffer.compare(into, disk.subarray(offset, offset + length))).toBe(0);
    }
  });

  it('refuses to read beyond the end of the disk', async () => {
    const file = scratch('end.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '1M');
    const image = await openFile(file);
    expect(() => image.read(MIB - 512, new Uint8Array(1024))).toThrow('Input/output error');
  });

  it('a disk without a byte', async () => {
    const file = scratch('empty.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '0');
    const image = await openFile(file);
    expect(image.size).toBe(0);
    expect(await readAll(image)).toHaveLength(0);
  });

  it.each([
    ['zlib', '64k', ''],
    ['zlib', '512', ''],
    ['zlib', '4k', ''],
    ['zlib', '2M', ''],
    ['zlib', '16k', ',extended_l2=on'],
    ['zstd', '64k', ''],
    ['zstd', '4k', ''],
    ['zstd', '2M', ''],
  ])('compressed clusters: %s, %s%s', async (codec, clusterSize, more) => {
    const raw = scratch('text.raw');
    const file = scratch(`${codec}-${clusterSize}.qcow2`);
    const size = 4 * MIB + 3 * 512;
    qemuImg('create', '-q', '-f', 'raw', raw, String(size));
    qemuIo(raw, 'raw', ...textCommands(size));
    const options = `cluster_size=${clusterSize},compression_type=${codec}${more}`;
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, raw, file);
    const image = await openFile(file);
    const disk = readFileSync(raw);
    expect(Buffer.compare((await readAll(image)).subarray(0, size), disk)).toBe(0);
    expect(Buffer.compare((await readAll(image, 7 * 512)).subarray(0, size), disk)).toBe(0);
    expect(asMap(await extentsOf(image))).toEqual(qemuMap(file));
    expect((await extentsOf(image)).some(({ compressed }) => compressed)).toBe(true);
  });

  /** Stretches that compress to different lengths, with holes between them. */
  function textCommands(size: number): string[] {
    const commands: string[] = [];
    for (let at = 0, step = 1; at < size; at += 512 * step, step = (step * 7 + 3) % 300 || 1) {
      if (step % 5 !== 0) commands.push(`write -P ${step % 256} ${at} ${Math.min(size - at, 512 * step)}`);
    }
    return commands;
  }

  it('fetches compressed clusters that lie one behind the other with one read', async () => {
    const raw = scratch('fetch.raw');
    const file = scratch('fetch.qcow2');
    qemuImg('create', '-q', '-f', 'raw', raw, '2M');
    qemuIo(raw, 'raw', ...textCommands(2 * MIB));
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, file);
    const source = new FileSource(file);
    const image = await openSource(source);
    await image.extents(0, MIB);
    const before = source.reads;
    await image.read(0, new Uint8Array(MIB));
    expect(source.reads - before).toBe(1);
    await image.close();
  });

  it('reads a run of contiguous clusters with one read, straight into place', async () => {
    const file = scratch('run.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '8M');
    qemuIo(file, 'qcow2', 'write -P 1 0 8M');
    const source = new FileSource(file);
    const image = await openSource(source);
    await image.extents(0, 8 * MIB);
    const before = source.reads;
    const result = image.read(MIB + 700, new Uint8Array(4 * MIB));
    expect(source.reads - before).toBe(1);
    expect(result).toBeUndefined();
    await image.close();
  });

  it('waits for storage that answers late and out of order', async () => {
    const file = scratch('late.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', file, '4M');
    qemuIo(file, 'qcow2', ...randomCommands(4 * MIB, 11, true));
    const image = await openSource(new LateSource(new FileSource(file)));
    const disk = new Uint8Array(image.size).fill(0xa5);
    const pieces = Array.from({ length: 64 }, (_, index) => disk.subarray(index * 65536, (index + 1) * 65536));
    await Promise.all(pieces.map((piece, index) => image.read(index * 65536, piece)));
    expect(Buffer.compare(disk, expected(file))).toBe(0);
    expect(asMap(await extentsOf(image))).toEqual(qemuMap(file));
    await image.close();
  });

  it('internal snapshots: by id, by name, with the size they had', async () => {
    const file = scratch('snapshots.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '4M');
    qemuIo(file, 'qcow2', 'write -P 1 0 3M');
    qemuImg('snapshot', '-c', 'first', file);
    qemuIo(file, 'qcow2', 'write -P 2 1M 2M', 'write -z 0 64k');
    // A name that is another snapshot's id: ids are looked at first.
    qemuImg('snapshot', '-c', '1', file);
    const first = expected(file, '-l', 'snapshot.id=1');
    qemuImg('resize', '-q', file, '6M');
    qemuIo(file, 'qcow2', 'write -P 3 0 6M');
    const image = await openFile(file);
    expect(image.snapshots.map(({ id, name }) => [id, name])).toEqual([
      ['1', 'first'],
      ['2', '1'],
    ]);
    for (const key of ['1', 'first']) {
      const snapshot = await image.snapshot(key);
      expect(snapshot.size).toBe(4 * MIB);
      expect(Buffer.compare(await readAll(snapshot), first)).toBe(0);
    }
    const second = await readAll(await image.snapshot('2'));
    expect(Buffer.compare(second, expected(file, '-l', 'snapshot.id=2').subarray(0, 4 * MIB))).toBe(0);
    expect(Buffer.compare(await readAll(image), expected(file))).toBe(0);
    await expect(image.snapshot('third')).rejects.toMatchObject({
      code: 'not-found',
      message: "Can't find snapshot",
    });
  });

  it('backing file: name and format, and nothing of its content', async () => {
    const base = scratch('base.raw');
    const file = scratch('overlay.qcow2');
    qemuImg('create', '-q', '-f', 'raw', base, '1M');
    qemuIo(base, 'raw', 'write -P 9 0 1M');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', file);
    qemuIo(file, 'qcow2', 'write -P 5 0 64k', 'write -z 128k 64k');
    const image = await openFile(file);
    expect(image.backing).toEqual({ name: 'base.raw', format: 'raw' });
    const kinds = (await extentsOf(image)).map(({ kind, length }) => [kind, length / KIB]);
    expect(kinds).toEqual([
      ['data', 64],
      ['unallocated', 64],
      ['zero', 64],
      ['unallocated', 832],
    ]);
    const into = new Uint8Array(64 * KIB).fill(0xa5);
    await image.read(64 * KIB, into);
    expect(into.every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ['data_file=%.raw', false],
    ['data_file=%.raw,data_file_raw=on', true],
    ['data_file=%.raw,extended_l2=on', false],
  ])('external data file: %s', async (options, isRaw) => {
    const name = options.replaceAll(/[^a-z_=]/g, '');
    const file = scratch(`${name}.qcow2`);
    qemuImg('create', '-q', '-f', 'qcow2', '-o', options.replace('%', scratch(name)), file, '4M');
    // The first cluster too: its place in the data file is 0, which elsewhere means "unallocated".
    qemuIo(file, 'qcow2', 'write -P 8 0 64k', ...randomCommands(4 * MIB, 5, true));
    const image = await openFile(file);
    expect(image.unreadable).toBeNull();
    expect(Buffer.compare(await readAll(image), expected(file))).toBe(0);
    if (!isRaw) expect(asMap(await extentsOf(image))).toEqual(qemuMap(file));
  });

  it('an external data file that is not there leaves an image that can be asked but not read', async () => {
    const file = scratch('orphan.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${scratch('gone.raw')}`, file, '1M');
    qemuIo(file, 'qcow2', 'write -P 8 0 64k');
    const image = await openFile(file);
    const moved = await openFile(file, { 'data-file': 'elsewhere.raw' });
    expect(moved.unreadable?.message).toBe("Could not open 'elsewhere.raw': No such file or directory");
    expect(() => moved.read(0, new Uint8Array(512))).toThrow('elsewhere.raw');
    expect(image.unreadable).toBeNull();
    expect(moved.details().formatSpecific?.data['data-file']).toBe(scratch('gone.raw'));
  });

  it('a data-file option for an image that has no data file', async () => {
    const file = scratch('plain.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '1M');
    await expect(openFile(file, { 'data-file': 'x' })).rejects.toThrow(
      "'data-file' can only be set for images with an external data file",
    );
  });

  it.each(['luks', 'aes'])('%s encryption: info tells, reading needs cryptography', async (format) => {
    const file = scratch(`${format}.qcow2`);
    const options = `encrypt.format=${format},encrypt.key-secret=s,${format === 'luks' ? 'encrypt.iter-time=10' : ''}`;
    const secret = ['--object', 'secret,id=s,data=pass'];
    qemuImg('create', ...secret, '-q', '-f', 'qcow2', '-o', options.replace(/,$/, ''), file, '1M');
    const image = await openFile(file);
    expect(image.unreadable).toMatchObject({ code: 'unsupported' });
    expect(() => image.read(0, new Uint8Array(512))).toThrow('Encrypted images are not supported here');
    expect(image.details().formatSpecific).toEqual(qemuInfo(file)['format-specific']);
    expect(image.details().encrypted).toBe(true);
  });

  function qemuInfo(file: string): Record<string, unknown> {
    return JSON.parse(qemuImg('info', '--output=json', '-f', 'qcow2', file));
  }

  it.each([
    'compat=0.10',
    'lazy_refcounts=on',
    'refcount_bits=1',
    'refcount_bits=64',
    'extended_l2=on',
    'compression_type=zstd',
    'cluster_size=512',
    'cluster_size=2M',
  ])('details as qemu-img info gives them: %s', async (options) => {
    const file = scratch(`details-${options}.qcow2`);
    qemuImg('create', '-q', '-f', 'qcow2', '-o', options, file, '1M');
    const info = qemuInfo(file);
    const details = (await openFile(file)).details();
    expect(JSON.stringify(details.formatSpecific)).toBe(JSON.stringify(info['format-specific']));
    expect(details.clusterSize).toBe(info['cluster-size']);
    expect(details.dirty).toBe(false);
  });

  it('a terabyte that is empty but for its ends costs next to nothing', async () => {
    const file = scratch('huge.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '1T');
    qemuIo(file, 'qcow2', 'write -P 1 0 64k', `write -P 2 ${2 ** 40 - 65536} 64k`);
    const source = new FileSource(file);
    const image = await openSource(source);
    const before = source.reads;
    const extents = await extentsOf(image);
    expect(extents.map(({ kind }) => kind)).toEqual(['data', 'unallocated', 'data']);
    expect(source.reads - before).toBeLessThan(6);
    expect(statSync(file).size).toBeLessThan(MIB);
    await image.close();
  });
});
