// The benchmark's disk: a root file system with at least 1 GB of real data, made once and kept.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const folder = process.env.DISKLOOM_BENCH_DIR ?? join(tmpdir(), 'diskloom-bench');

const PACKAGES = 'build-essential,python3,git,vim-nox,clang,perl-doc,llvm';

function run(program, ...args) {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The mirror that this machine's own apt sources name. */
function mirror() {
  const text = spawnSync('sh', [
    '-c',
    'cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null',
  ]).stdout.toString();
  const found = text.match(/https?:\/\/\S+\/debian(?=\s|$)/m);
  if (found === null) throw new Error('no Debian mirror in the apt sources');
  return found[0];
}

function codename() {
  return /VERSION_CODENAME=(\S+)/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'bookworm';
}

/** A raw image of an ext4 file system with a Debian installation: somewhat over 1 GB of data in 3 GiB. */
export function rootFileSystem() {
  const image = join(folder, 'root.raw');
  if (existsSync(image)) return image;
  mkdirSync(folder, { recursive: true });
  const root = join(folder, 'root');
  console.error('# making a root file system with debootstrap (needs root; once)');
  run('debootstrap', '--variant=minbase', `--include=${PACKAGES}`, codename(), root, mirror());
  run('mkfs.ext4', '-q', '-F', '-d', root, `${image}.part`, '3G');
  rmSync(root, { recursive: true });
  run('mv', `${image}.part`, image);
  return image;
}
