import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, readSources } from './sources.js';

describe('habits that the linter cannot see', () => {
  it('every source file says what it is', () => {
    const silent = readSources().filter((file) => !/^\s*\/\*\*/.test(file.text));
    expect(silent.map((file) => file.name)).toEqual([]);
  });

  it('every exported function is documented, unless its name and three lines say it all', () => {
    const bare = readSources().flatMap((file) => {
      const lines = file.text.split('\n');
      const isBare = (line: string, at: number) =>
        /^export (async )?function/.test(line) &&
        !/\*\/\s*$/.test(lines[at - 1] ?? '') &&
        !lines.slice(at + 1, at + 4).includes('}');
      return lines.filter(isBare).map((line) => `${file.name}: ${line}`);
    });
    expect(bare).toEqual([]);
  });

  it('no expectation is left without a matcher', () => {
    const idle = listFiles('test').filter((file) => {
      const text = readFileSync(join('test', file), 'utf8');
      return /\bexpect\((?:[^()]|\([^()]*\))*\)\s*;/.test(text);
    });
    expect(idle).toEqual([]);
  });
});
