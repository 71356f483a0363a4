/**
 * The programs that our results are judged by.
 *
 * A test that needs one runs where it is installed and is skipped where it is not; with DISKLOOM_REQUIRE_JUDGES set,
 * as in CI, a missing judge fails the run instead.
 */
import { spawnSync } from 'node:child_process';
import { describe } from 'vitest';

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** `describe` for tests that need these programs. */
export function describeWith(programs: string[], name: string, suite: () => void): void {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length > 0 && process.env.DISKLOOM_REQUIRE_JUDGES) {
    throw new Error(`not installed: ${missing.join(', ')} (see test/install-judges.sh)`);
  }
  describe.skipIf(missing.length > 0)(name, suite);
}
