/** Corners where a script would notice a difference: what is said and what comes of it, beside `qemu-img`. */
import { existsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

describeWith(['qemu-img', 'qemu-io'], 'corners', () => {
  const file = scratchDirectory();
  const { ours, theirs } = bothPrograms(file);

  /** Each step by one program, then all of them by the other; what both said of the last one. */
  async function compare(prepare: () => void, ...commands: string[][]): Promise<void> {
    prepare();
    const expected = commands.map((args) => theirs(...args));
    prepare();
    const found = [];
    for (const args of commands) found.push(await ours(...args));
    expect(found).toEqual(expected);
  }

  it('zeros are compressed where none may be left out', async () => {
    qemuImg('create', '-f', 'raw', file('source'), '8M');
    qemuIo(file('source'), 'raw', 'write -P 7 0 1M');
    await compare(
      () => {},
      ['convert', '-c', '-S', '0', '-O', 'qcow2', 'source', 'target'],
      ['map', '--output=json', 'target'],
    );
  });

  it.each(['0.10', '1.1'])('zeros over a backing file, compat %s', async (compat) => {
    const prepare = () => {
      qemuImg('create', '-f', 'raw', file('base'), '4M');
      qemuIo(file('base'), 'raw', 'write -P 7 0 4M');
      qemuImg('create', '-f', 'qcow2', file('source'), '4M');
      qemuImg('create', '-f', 'qcow2', '-o', `compat=${compat}`, '-b', file('base'), '-F', 'raw', file('target'));
    };
    const map = ['map', '--output=json', 'target'];
    await compare(prepare, ['convert', '-n', '-O', 'qcow2', 'source', 'target'], map);
  });

  it('zeros in an image that has none yet', async () => {
    const prepare = () => {
      qemuImg('create', '-f', 'qcow2', file('source'), '4M');
      qemuImg('create', '-f', 'qcow2', file('target'), '4M');
    };
    await compare(prepare, ['convert', '-n', '-O', 'qcow2', 'source', 'target'], ['map', '--output=json', 'target']);
  });

  // The stream would go to the data file, at a place that only the image's own file has.
  it.each([
    ['convert', ['convert', '-n', '-c', '-f', 'raw', '-O', 'qcow2', 'source', 'target']],
    ['rebase', ['rebase', '-c', '-b', '', 'target']],
  ])('%s -c of an image with a data file', async (_, command) => {
    qemuImg('create', '-f', 'raw', file('source'), '128k');
    qemuIo(file('source'), 'raw', 'write -P 7 0 128k');
    const options = `data_file=${file('data')}`;
    const prepare = () =>
      qemuImg('create', '-f', 'qcow2', '-o', options, '-b', file('source'), '-F', 'raw', file('target'));
    await compare(prepare, command);
    await compare(prepare, command, ['compare', 'source', 'target']);
  });

  it('convert -n -c onto an encrypted image is refused in one line', async () => {
    const key = ['--object', 'secret,id=key,data=word'];
    const options = 'encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10';
    qemuImg('create', '-f', 'raw', file('source'), '128k');
    qemuImg('create', ...key, '-f', 'qcow2', '-o', options, file('target'), '128k');
    const target = 'driver=qcow2,file.filename=target,encrypt.key-secret=key';
    const line = ['convert', '-n', '-c', ...key, '--target-image-opts', '-f', 'raw', 'source', target];
    const { status, stderr } = await ours(...line);
    expect(stderr).toMatch(/^qemu-img: [^\n]*Compression and encryption not supported at the same time\n$/);
    expect(status).toBe(1);
  });

  it('what is refused leaves the bitmaps usable', async () => {
    const prepare = () => {
      qemuImg('create', '-f', 'qcow2', '-o', 'refcount_bits=1', file('target'), '1M');
      qemuIo(file('target'), 'qcow2', 'write 0 64k');
      qemuImg('bitmap', '--add', file('target'), 'bits');
    };
    await compare(prepare, ['snapshot', '-c', 'one', 'target']);
    const disable = ['bitmap', '--disable', 'target', 'bits'];
    await compare(prepare, ['snapshot', '-c', 'one', 'target'], disable);
    await compare(prepare, ['rebase', '-u', '-F', 'raw', '-b', 'x'.repeat(1100), 'target'], disable);
  });

  it.each(['vdi', 'vhdx', 'vpc', 'vmdk', 'qed', 'qcow', 'parallels', 'luks'])(
    'preallocation for %s',
    async (format) => {
      const key = format === 'luks' ? ['--object', 'secret,id=key,data=word'] : [];
      const options = format === 'luks' ? 'key-secret=key,iter-time=10,' : '';
      for (const mode of ['metadata', 'falloc', 'whatever'])
        await compare(() => {}, [
          'create',
          '-q',
          ...key,
          '-f',
          format,
          '-o',
          `${options}preallocation=${mode}`,
          'target',
          '1M',
        ]);
    },
  );

  it('map through a filter', async () => {
    qemuImg('create', '-f', 'qcow2', file('base'), '2M');
    qemuIo(file('base'), 'qcow2', 'write 0 1M');
    qemuImg('create', '-f', 'qcow2', '-b', file('base'), '-F', 'qcow2', file('top'), '3M');
    qemuIo(file('top'), 'qcow2', 'write 0 64k');
    const options = 'driver=blkdebug,image.driver=qcow2,image.file.driver=file,image.file.filename=top';
    await compare(() => {}, ['map', '--image-opts', options], ['map', '--output=json', '--image-opts', options]);
  });

  it.each(['on', 'off'])('map of a file that ends within a sector, cache.direct=%s', async (direct) => {
    qemuImg('create', '-f', 'raw', file('odd'), '1M');
    truncateSync(file('odd'), 1024 * 1024 - 1);
    qemuIo(file('odd'), 'raw', 'write 983040 65535');
    truncateSync(file('odd'), 1024 * 1024 - 1);
    const options = `driver=raw,file.driver=file,file.filename=odd,cache.direct=${direct}`;
    await compare(() => {}, ['map', '--output=json', '--image-opts', options]);
  });

  it('a VDI whose block map is cut off tells of itself', async () => {
    qemuImg('create', '-f', 'vdi', file('cut'), '64M');
    truncateSync(file('cut'), 512);
    await compare(() => {}, ['info', '-f', 'vdi', 'cut']);
    expect(await ours('convert', '-O', 'raw', 'cut', 'target.raw')).toMatchObject({ status: 1 });
  });

  it('a disk larger than numbers count bytes', async () => {
    const steps = [
      ['create', '-f', 'qcow2', '-o', 'cluster_size=256k', 'huge', '32P'],
      ['info', '--output=json', 'huge'],
      ['map', '--output=json', 'huge'],
      ['check', 'huge'],
    ];
    await compare(() => {}, ...steps);
    await compare(() => {}, ['create', '-f', 'raw', 'huge', '32P']);
  });

  it('a file in no format', async () => {
    await compare(() => {}, ['create', '-f', 'file', 'plain', '3333'], ['info', '-f', 'raw', 'plain']);
    expect(statSync(file('plain')).size).toBe(3584);
  });

  it.each(['qcow2', 'qcow', 'qed'])('%s: a backing format that does not exist', async (format) => {
    writeFileSync(file('backing'), '');
    await compare(() => {}, ['create', '-f', format, '-u', '-b', 'backing', '-F', 'nothing', 'new', '1M']);
  });

  it('an image that could not be made leaves no file, even where one was', async () => {
    writeFileSync(file('key'), Buffer.from([0x3a, 0xff]));
    writeFileSync(file('volume'), 'before');
    const secret = ['--object', 'secret,id=s,file=key', '-o', 'key-secret=s'];
    await compare(() => {}, ['create', '-f', 'luks', ...secret, 'volume', '4M']);
    expect(existsSync(file('volume'))).toBe(false);
  });

  it('what was guessed to be raw does not become an image of another format', async () => {
    const prepare = () => {
      qemuImg('create', '-f', 'raw', file('guessed'), '4M');
      qemuImg('create', '-f', 'qcow', '-u', '-b', file('guessed'), '-F', 'raw', file('overlay'), '4M');
      qemuImg('create', '-f', 'qcow2', file('disguise'), '1M');
      truncateSync(file('disguise'), 4 * 1024 * 1024);
      qemuImg('convert', '-n', '-f', 'raw', '-O', 'qcow', file('disguise'), file('overlay'));
    };
    await compare(prepare, ['commit', '-f', 'qcow', 'overlay']);
    expect(qemuImg('info', file('guessed'))).toContain('file format: raw');
  });
});
