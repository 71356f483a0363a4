import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes sure that the free memory is really there. A virtual machine may have given it back to its host, and getting it
 * again costs several times what a conversion does; it would hit whoever comes first, not whoever is slow.
 * `bytes`: those of the result.
 */
export function warmMemory(bytes) {
  const file = join('/dev/shm', `diskloom-bench-${process.pid}`);
  const megabytes = String(Math.ceil((2.5 * bytes) / 1e6));
  spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${megabytes}`], { stdio: 'ignore' });
  rmSync(file, { force: true });
}
