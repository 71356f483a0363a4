// Builds everything that `npm ci` is to leave behind: kernels, CLI, libraries, declarations, web app.
// `node scripts/build.mjs kernels` builds the kernels alone (what the tests need).
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';

const only = process.argv[2];

function run(command, ...args) {
  const done = spawnSync('npx', ['--no-install', command, ...args], { stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** One source, two modules: workers and SharedArrayBuffer want shared memory, a page without isolation cannot have it. */
function kernels(name, ...flags) {
  run('asc', 'assembly/index.ts', '--target', 'release', '--outFile', `build/${name}.wasm`, ...flags);
}

mkdirSync('build', { recursive: true });
kernels('kernels');
kernels('kernels-shared', '--enable', 'threads', '--sharedMemory', '--maximumMemory', '16384');
run('vite', 'build', '--mode', 'worker', '--logLevel', 'warn');
if (only === 'kernels') process.exit(0);

// The CLI is CommonJS, which Node starts faster; the libraries are .mjs.
mkdirSync('dist', { recursive: true });
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n');
for (const old of readdirSync('dist')) if (old.endsWith('.cache')) rmSync(`dist/${old}`);
for (const target of ['cli', 'node', 'web-library', 'web'])
  run('vite', 'build', '--mode', target, '--logLevel', 'warn');
run('tsc', '-p', 'tsconfig.types.json');

// The manual page and the completion scripts come from the program's own tables.
run('vite', 'build', '--mode', 'manual', '--logLevel', 'warn');
const manual = spawnSync(process.execPath, ['build/manual.mjs', 'dist'], { stdio: 'inherit' });
if (manual.status !== 0) process.exit(manual.status ?? 1);

// A program without it only starts slower.
spawnSync(process.execPath, ['scripts/code-cache.mjs'], { stdio: 'inherit' });
