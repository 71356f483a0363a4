/** Command lines that `qemu-img` and diskloom must answer alike: same output, same messages, same exit code. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { withoutAllocation } from '../support/both-programs.js';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

describeWith(['qemu-img', 'qemu-io'], 'diskloom answers as qemu-img does', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();

  beforeAll(() => {
    writeFileSync(scratch('raw'), new Random(3).bytes(300_000));
    truncateSync(scratch('raw'), 1024 * 1024 + 100);
    qemuImg('create', '-q', '-f', 'qcow2', scratch('base.qcow2'), '4M');
    qemuIo(scratch('base.qcow2'), 'qcow2', 'write -P 7 0 256k', 'write -z 1M 100k');
    qemuImg('snapshot', '-c', 'first', scratch('base.qcow2'));
    qemuImg('bitmap', '--add', scratch('base.qcow2'), 'changes');
    const within = { cwd: scratch('') };
    spawnSync(
      'qemu-img',
      ['create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'over.qcow2', '6M'],
      within,
    );
    qemuIo(scratch('over.qcow2'), 'qcow2', 'write -P 9 2M 64k', 'write -P 9 5M 64k');
    spawnSync(
      'qemu-img',
      ['create', '-q', '-f', 'qcow2', '-u', '-b', 'missing', '-F', 'raw', 'broken.qcow2', '1M'],
      within,
    );
    spawnSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', 'old.qcow2', '1M'], within);
    spawnSync('qemu-img', ['convert', '-c', '-O', 'qcow2', 'raw', 'packed.qcow2'], within);
    mkdirSync(scratch('directory'));
    writeFileSync(scratch('empty'), '');
  });

  /** Both in the same directory, one after the other, with what they make removed in between. */
  async function answers(args: string[]) {
    const clean = () => {
      for (const made of ['new', 'other']) rmSync(scratch(made), { force: true });
      copyFileSync(scratch('raw'), scratch('small'));
      truncateSync(scratch('small'), 4096);
    };
    clean();
    const judge = spawnSync('qemu-img', args, { cwd: scratch(''), encoding: 'utf8' });
    clean();
    const own = await cli.run(args, { cwd: scratch('') });
    return {
      judge: { code: judge.status, stdout: withoutAllocation(judge.stdout), stderr: judge.stderr },
      own: { code: own.code, stdout: withoutAllocation(own.stdout), stderr: own.stderr },
    };
  }

  it.each(['human', 'json'])('tells what a file takes up that is on disk, --output=%s', async (output) => {
    const fd = openSync(scratch('settled'), 'w');
    writeSync(fd, new Random(4).bytes(1024 * 1024));
    ftruncateSync(fd, 8 * 1024 * 1024);
    fsyncSync(fd);
    closeSync(fd);
    const args = ['info', '-f', 'raw', `--output=${output}`, 'settled'];
    const judge = spawnSync('qemu-img', args, { cwd: scratch(''), encoding: 'utf8' });
    expect((await cli.run(args, { cwd: scratch('') })).stdout).toBe(judge.stdout);
    expect(judge.stdout).toMatch(/disk size: 1 MiB|"actual-size": 1048576\b/);
  });

  const lines = [
    ...['', '--nope', 'nope', 'convert --nope', 'convert -Z', 'convert -m', '-T'],
    ...['info', 'info a b', 'info --output=x raw', 'map', 'map -s x raw', 'create', 'create new 1M 2M'],
    // info
    ...['info raw', 'info base.qcow2', 'info over.qcow2', 'info old.qcow2', 'info empty', 'info file:raw'],
    ...['info --output json raw', 'info --output=json base.qcow2', 'info --output=json -U over.qcow2'],
    ...['info --backing-chain over.qcow2', 'info --backing-chain --output=json over.qcow2', 'info broken.qcow2'],
    ...['info --backing-chain broken.qcow2', 'info -f raw base.qcow2', 'info -f qcow2 raw', 'info -f nope raw'],
    ...['info missing', 'info directory', 'info nope:x', 'info -f file raw', 'info nbd://localhost:1/x'],
    ...['info --image-opts driver=qcow2,file.filename=base.qcow2', 'info --image-opts file.filename=raw'],
    ...['info --image-opts driver=raw,offset=512,size=1024,file.filename=raw', 'info --image-opts raw'],
    ...[
      'info --image-opts driver=nope',
      'info --image-opts driver=qcow2',
      'info --image-opts driver=raw,x=1,file.filename=raw',
    ],
    ...[
      'info --image-opts driver=raw,file.driver=file,file.filename=raw,file.x=1',
      'info --image-opts driver=null-co,size=1M',
    ],
    ...['info --image-opts driver=raw,file.driver=file', 'info -f raw --image-opts file.filename=raw'],
    ...[
      `info json:{"driver":"raw","size":512,"file":{"driver":"file","filename":"raw"}}`,
      'info json:{"a":',
      'info json:[]',
    ],
    ...[`info json:{'driver':'qcow2','file':{'driver':'raw','file':{'driver':'file','filename':'base.qcow2'}}}`],
    // map
    ...[
      'map raw',
      'map over.qcow2',
      'map --output=json raw',
      'map --output=json over.qcow2',
      'map --output=json packed.qcow2',
    ],
    ...[
      'map --output=json -s 1000 -l 5000 raw',
      'map --output=json --start-offset 2M over.qcow2',
      'map --output=json empty',
    ],
    ...['map broken.qcow2', `map json:{"driver":"qcow2","backing":null,"file.filename":"over.qcow2"}`],
    // create
    ...['create new 1M', 'create -q new 1.5M', 'create new 1x', 'create new -- -1', 'create new 9E', 'create new'],
    ...[
      'create -f qcow2 new 64M',
      'create -f qcow2 -o size=1M new',
      'create -f qcow2 -o size=1M new 1M',
      'create -f nope new 1M',
    ],
    ...[
      'create -f qcow2 -o nope=1 new 1M',
      'create -f qcow2 -o lazy_refcounts=x new 1M',
      'create -f qcow2 -o cluster_size=x new 1M',
    ],
    ...[
      'create -f qcow2 -o refcount_bits=x new 1M',
      'create -f qcow2 -o cluster_size=3k new 1M',
      'create -f qcow2 new 1E',
    ],
    ...[
      'create -f qcow2 -b base.qcow2 -F qcow2 new',
      'create -f qcow2 -b base.qcow2 new',
      'create -f qcow2 -b missing new 1M',
    ],
    ...[
      'create -f qcow2 -u -b missing -F raw new 1M',
      'create -f qcow2 -u -b missing new 1M',
      'create -b raw new',
      'create -F raw new 1M',
    ],
    ...[
      'create -f qcow2 -b new -F raw new 1M',
      'create -f qcow2 -o , new 1M',
      'create -o preallocation=nope new 1M',
      'create no/new 1M',
    ],
    ...['create -f qcow2 -o help', 'create -f raw -o help new', 'create -f raw -o help', 'create -f nope -o help'],
    // convert: nothing to do
    ...['convert raw', 'convert -m x raw new', 'convert -m 17 raw new', 'convert -m 0 raw new', 'convert -S x raw new'],
    ...['convert -S 1000 raw new', 'convert -S 32M raw new', 'convert -r x raw new', 'convert -o , raw new'],
    ...[
      'convert --skip-broken-bitmaps raw new',
      'convert -C -c raw new',
      'convert -C -S 4k raw new',
      'convert -C --salvage raw new',
    ],
    ...['convert --target-image-opts raw new', 'convert -n -o x=1 raw new', 'convert --target-is-zero raw new'],
    ...[
      'convert -O qcow2 -o help',
      'convert -O qcow2 -o help raw new',
      'convert -n --target-image-opts -o help raw new',
    ],
    ...[
      'convert -T x raw new',
      'convert -t x raw new',
      'convert missing new',
      'convert -f qcow2 raw new',
      'convert -l x base.qcow2 new',
    ],
    ...[
      'convert -l first base.qcow2 raw new',
      'convert -l snapshot.id=9 base.qcow2 new',
      'convert -l snapshot.x=9 base.qcow2 new',
    ],
    ...[
      'convert -l x raw new',
      'convert -O nope raw new',
      'convert -O qcow2 -o x=1 raw new',
      'convert -O raw -B base.qcow2 raw new',
    ],
    ...[
      'convert -O raw -F raw raw new',
      'convert -O qcow2 -B base.qcow2 raw new',
      'convert -O qcow2 -B raw -F raw raw small new',
    ],
    ...[
      'convert -O qcow2 -B missing -F raw raw new',
      'convert -c raw new',
      'convert -c -O qcow2 -o preallocation=full raw new',
    ],
    ...['convert --bitmaps raw new', 'convert --bitmaps base.qcow2 new', 'convert --bitmaps base.qcow2 base.qcow2 new'],
    ...[
      'convert raw no/new',
      'convert raw directory',
      'convert raw raw',
      'convert raw nope:x',
      'convert -n raw missing',
      'convert -n raw small',
    ],
    ...['convert -f qcow2 --image-opts raw new', 'convert -U --image-opts file.filename=raw,force-share=off new'],
    ...[
      'convert --object secret raw new',
      'convert --object nope,id=x raw new',
      'convert broken.qcow2 new',
      'convert raw new -O',
    ],
    // convert: it works
    ...['convert raw new', 'convert -p raw new', 'convert -pq raw new', 'convert --object secret,id=x,data=y raw new'],
    ...['convert empty new', 'convert -O qcow2 empty new', 'convert raw small new', 'convert raw -O qcow2 -- new'],
  ];

  it.each(lines)('%s', async (line) => {
    const { judge, own } = await answers(line === '' ? [] : line.split(' '));
    expect(own).toEqual(judge);
  });

  it('where qemu-img does nothing and says all is well, diskloom says that it did nothing', async () => {
    const { judge, own } = await answers(['convert', '-n', '--target-is-zero', '-B', 'base.qcow2', 'raw', 'raw']);
    expect(own).toEqual({ ...judge, code: 1 });
    expect(judge.code).toBe(0);
  });
});
