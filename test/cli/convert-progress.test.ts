/** What `convert -p` writes into a pipe, beside `qemu-img`. */
import { expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

describeWith(['qemu-img', 'qemu-io'], 'convert -p into a pipe', () => {
  const file = scratchDirectory();
  const { ours, theirs } = bothPrograms(file);

  const CONTENTS: [name: string, writes: readonly string[]][] = [
    ['nothing', []],
    ['four stretches of a mebibyte', ['write 0 1M', 'write 2M 1M', 'write 4M 1M', 'write 32M 1M']],
    ['a stretch that begins off the grid', ['write 1M 5M', 'write 33M 64k']],
    ['much', ['write 0 100M']],
    ['little', ['write 3M 64k', 'write 7M 4k', 'write 100M 192k']],
  ];
  const WAYS: [format: string, args: readonly string[]][] = [
    ['raw', ['-O', 'qcow2']],
    ['qcow2', ['-O', 'raw']],
    ['qcow2', ['-O', 'qcow2', '-c', '-m', '1']],
    ['qcow2', ['-O', 'qcow2', '-S', '0']],
  ];
  const cases = CONTENTS.flatMap(([name, writes]) =>
    WAYS.map(([format, args]) => [name, format, args, writes] as const),
  );

  it.each(cases)('%s, from %s, %j', async (_name, format, args, writes) => {
    qemuImg('create', '-f', format, file('source'), '128M');
    for (const write of writes) qemuIo(file('source'), format, write);
    const command = ['convert', '-p', '-f', format, ...args, file('source'), file('target')];
    expect((await ours(...command)).stdout).toBe(theirs(...command).stdout);
  });
});
