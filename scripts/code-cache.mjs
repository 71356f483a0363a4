// What V8 makes of the program's text, kept beside it: the program then starts without compiling.
//
// The built command runs a small conversion here, so that the functions that it needs are in the cache. The file is good
// for this version of Node alone; another one finds that out by itself and compiles, as it does where the file is missing.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';

const cli = resolve(process.argv[2] ?? 'dist/cli.js');
const scratch = mkdtempSync(join(tmpdir(), 'diskloom-build-'));
/** What the program will look for. */
const [name] = /cli\.\w{16}\.cache/.exec(readFileSync(cli, 'latin1'));
let program = null;

vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options);
    program ??= this;
  }
};
// V8 takes a cache only under the flags that it was made with, and at the start of the program none is set yet.
v8.setFlagsFromString = () => {};

process.on('exit', (code) => {
  if (code === 0) writeFileSync(join(dirname(cli), name), program.createCachedData());
  rmSync(scratch, { recursive: true });
});

writeFileSync(join(scratch, 'disk'), Buffer.alloc(1024 * 1024, 'disk'));
process.argv = [process.execPath, cli, 'convert', '-O', 'qcow2', join(scratch, 'disk'), join(scratch, 'image')];
createRequire(cli)(cli);
