/** A directory for the files of one suite. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/** Call it within `describe`. The function gives the path of a file to a test; the directory goes with the suite. */
export function scratchDirectory(): (name: string) => string {
  let path = '';
  beforeAll(() => {
    path = mkdtempSync(join(tmpdir(), 'diskloom-'));
  });
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return (name) => join(path, name);
}
