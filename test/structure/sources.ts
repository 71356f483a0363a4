/** The source tree as the structure tests see it. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface SourceFile {
  /** Relative to `src`, without `.ts`: `formats/qcow2/header`. */
  name: string;
  text: string;
  /** What it imports from `src`, by the same names. */
  imports: string[];
  /** Other modules that it imports: `node:fs`, `comlink`. */
  modules: string[];
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/g;

/** Every TypeScript file below `folder`, names relative to it. */
export function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .sort();
}

/** Reads and takes apart everything below `src`. */
export function readSources(): SourceFile[] {
  return listFiles('src').map((file) => {
    const text = readFileSync(join('src', file), 'utf8');
    const found = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2]!);
    const local = found.filter((specifier) => specifier.startsWith('.') && !specifier.endsWith('.json'));
    const named = (specifier: string) => normalize(join(dirname(file), specifier.replace(/\.js$|\?.*$/, '')));
    return {
      name: file.replace(/\.ts$/, ''),
      text,
      imports: local.map(named),
      modules: found.filter((specifier) => !specifier.startsWith('.')),
    };
  });
}
