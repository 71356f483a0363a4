/**
 * SIGKILL in the middle of changing an image in place: what is left can be repaired, and nothing that the image held is
 * lost. `qemu-img` repairs and compares.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
const SIZE = 24 * MIB;
const KILLS = 6;
/** Small clusters: many tables and refcounts to change. */
const NEW_IMAGE = ['-f', 'qcow2', '-o', 'cluster_size=4096'];

interface Case {
  args: string[];
  /** The file that is looked at; commit changes its backing file too. */
  image: string;
  /** Disks of which the image must hold one, raw; none: only its tables are looked at. */
  holds: string[];
}

const CASES: Case[] = [
  { args: ['commit', 'overlay'], image: 'overlay', holds: ['merged'] },
  { args: ['rebase', '-b', 'other', '-F', 'qcow2', 'overlay'], image: 'overlay', holds: ['merged'] },
  { args: ['rebase', '-b', '', 'overlay'], image: 'overlay', holds: ['merged'] },
  { args: ['snapshot', '-c', 'new', 'base'], image: 'base', holds: ['old'] },
  { args: ['snapshot', '-a', 'first', 'base'], image: 'base', holds: ['old', 'first'] },
  { args: ['snapshot', '-d', 'first', 'base'], image: 'base', holds: ['old'] },
  { args: ['amend', '-o', 'refcount_bits=64', 'base'], image: 'base', holds: ['old'] },
  { args: ['amend', '-o', 'compat=0.10', 'plain'], image: 'plain', holds: ['old'] },
  { args: ['resize', '--preallocation=metadata', 'plain', '+40M'], image: 'plain', holds: ['old'] },
  { args: ['convert', '-n', '-O', 'qcow2', 'merged', 'plain'], image: 'plain', holds: [] },
];

describeWith(['qemu-img'], 'a process that is killed', () => {
  const file = scratchDirectory();
  const kept = scratchDirectory();
  const cli = builtCli();
  const random = new Random(7);

  beforeAll(() => {
    const disk = (name: string, from: number, to: number, base?: Buffer) => {
      const bytes = Buffer.from(base ?? Buffer.alloc(SIZE));
      bytes.set(random.bytes(to - from), from);
      writeFileSync(file(name), bytes);
      return bytes;
    };
    const first = disk('first', 0, 12 * MIB);
    const old = disk('old', 6 * MIB, 16 * MIB, first);
    disk('merged', 10 * MIB, 20 * MIB, old);
    disk('unlike', 0, SIZE);
    qemuImg('convert', '-O', 'qcow2', ...NEW_IMAGE.slice(2), file('first'), file('base'));
    qemuImg('snapshot', '-c', 'first', file('base'));
    qemuImg('convert', '-n', '-O', 'qcow2', file('old'), file('base'));
    qemuImg('convert', '-O', 'qcow2', ...NEW_IMAGE.slice(2), file('old'), file('plain'));
    qemuImg('convert', '-O', 'qcow2', ...NEW_IMAGE.slice(2), file('unlike'), file('other'));
    qemuImg('create', '-q', ...NEW_IMAGE, '-b', 'base', '-F', 'qcow2', file('overlay'));
    qemuImg('convert', '-n', '-O', 'qcow2', file('merged'), file('overlay'));
    for (const name of IMAGES) copyFileSync(file(name), kept(name));
  });

  const IMAGES = ['base', 'plain', 'other', 'overlay'];
  const restore = () => {
    for (const name of IMAGES) copyFileSync(kept(name), file(name));
  };
  const cwd = () => file('.');

  function run(args: string[], killAfter?: number) {
    return cli.run(args, {
      cwd: cwd(),
      onStart: (child) => killAfter !== undefined && setTimeout(() => child.kill('SIGKILL'), killAfter),
    });
  }

  it.each(CASES.map((one) => ({ ...one, line: one.args.join(' ') })))(
    '$line leaves an image that loses nothing',
    async ({ args, image, holds }) => {
      restore();
      const started = performance.now();
      expect(await run(args)).toMatchObject({ code: 0 });
      const whole = performance.now() - started;
      let killed = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        restore();
        // Node takes a part of the time to start; what matters comes behind.
        const when = whole * (0.4 + 0.6 * ((kill + random.below(1000) / 1000) / KILLS));
        if ((await run(args, when)).signal === 'SIGKILL') killed++;
        for (const name of new Set(['base', image])) {
          spawnSync('qemu-img', ['check', '-q', '-r', 'all', file(name)]);
          qemuImg('check', '-q', file(name));
        }
        if (holds.length === 0) continue;
        const verdicts = holds.map((disk) => spawnSync('qemu-img', ['compare', file(disk), file(image)]).status);
        expect({ when, verdicts }).toEqual({ when, verdicts: expect.arrayContaining([0]) });
      }
      expect(killed).toBeGreaterThan(0);
    },
  );
});
