/** The second opinion: what the real `qemu-img` makes of a mutant. */
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PagedFile } from './paged-store.js';

const PAGE = 64 * 1024;
/** Disks of more bytes are not compared. */
const LARGEST = 256 * 1024 * 1024;

/** `equal`, `different at …`, or the first line that `qemu-img` says in refusing. */
export function secondOpinion(files: ReadonlyMap<string, PagedFile>, main: string, disk: PagedFile | null): string {
  const directory = mkdtempSync(join(tmpdir(), 'diskloom-judge-'));
  try {
    for (const [name, file] of files) save(join(directory, name), file);
    const limited = 'ulimit -v 4000000; ulimit -f 600000; exec timeout 20 qemu-img convert -O raw "$0" out.raw';
    const { status, stderr } = spawnSync('sh', ['-c', limited, main], { cwd: directory, encoding: 'utf8' });
    if (status !== 0) return stderr.split('\n')[0] || `exit ${status}`;
    return disk === null || disk.size > LARGEST ? 'accepted' : difference(join(directory, 'out.raw'), disk);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function save(path: string, file: PagedFile): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, file.size);
  for (const [index, page] of file.pages) {
    const length = Math.min(PAGE, file.size - index * PAGE);
    if (length > 0) writeSync(fd, page, 0, length, index * PAGE);
  }
  closeSync(fd);
}

function difference(path: string, disk: PagedFile): string {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    if (size !== disk.size) return `different: ${size} bytes, ours ${disk.size}`;
    const theirs = Buffer.alloc(PAGE);
    const ours = Buffer.alloc(PAGE);
    for (let at = 0; at < size; at += PAGE) {
      const length = Math.min(PAGE, size - at);
      readSync(fd, theirs, 0, length, at);
      disk.read(at, ours.subarray(0, length));
      if (theirs.compare(ours, 0, length, 0, length) !== 0) return `different near ${at}`;
    }
    return 'equal';
  } finally {
    closeSync(fd);
  }
}
