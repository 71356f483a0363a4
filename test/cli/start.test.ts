/** The program's start, with and without what V8 made of it before. */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { builtCli } from '../support/built-cli.js';

/** Tells on stdout whether a code cache was taken. */
const REPORT = `data:text/javascript,${encodeURIComponent(`
  import vm from 'node:vm';
  vm.Script = class extends vm.Script {
    constructor(text, options) {
      super(text, options);
      process.on('exit', () => console.log(this.cachedDataRejected === undefined ? 'none' : this.cachedDataRejected ? 'rejected' : 'taken'));
    }
  };
`)}`;

describe('the code cache', () => {
  const cli = builtCli();
  let cache = '';
  beforeAll(() => {
    spawnSync(process.execPath, ['scripts/code-cache.mjs', cli.path]);
    const [name] = readdirSync(dirname(cli.path)).filter((file) => file.endsWith('.cache'));
    cache = join(dirname(cli.path), name!);
  });

  /** The last of its lines: what the hook says. */
  const start = async () =>
    (await cli.run(['map', '--help'], { node: ['--import', REPORT] })).stdout.split('\n').slice(-2);

  it('is taken by the Node that made it', async () => {
    expect(await start()).toEqual(['taken', '']);
  });

  it('changes nothing where it is of no use, or missing', async () => {
    truncateSync(cache, 1000);
    expect(await start()).toEqual(['rejected', '']);
    rmSync(cache);
    expect(await start()).toEqual(['none', '']);
  });
});
