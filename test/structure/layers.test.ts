import { describe, expect, it } from 'vitest';
import { readSources, type SourceFile } from './sources.js';

const sources = readSources();

/** What everybody may use. */
const GROUND = ['errors', 'bytes', 'maybe', 'loan'];

/** Which rooms a room may use besides itself. The first row whose prefix fits a file says what holds for it. */
const LAYERS: [prefix: string, mayUse: string[]][] = [
  ['errors', []],
  ['maybe', []],
  ['loan', []],
  ['bytes', ['errors']],
  ['storage/', [...GROUND]],
  ['kernels/', [...GROUND]],
  ['crypto/', [...GROUND]],
  ['image/', [...GROUND, 'storage/', 'kernels/', 'crypto/']],
  ['codecs/', [...GROUND]],
  ['unpack/', [...GROUND, 'storage/', 'kernels/', 'codecs/']],
  ['formats/index', ['image/', 'formats/']],
  ['formats/', [...GROUND, 'storage/', 'kernels/', 'codecs/', 'crypto/', 'image/']],
  ['convert/', [...GROUND, 'storage/', 'kernels/', 'image/']],
  ['commands/', [...GROUND, 'storage/', 'kernels/', 'crypto/', 'image/', 'formats/index', 'convert/', 'unpack/']],
  [
    'cli/',
    [
      ...GROUND,
      'storage/',
      'kernels/',
      'image/',
      'formats/index',
      'convert/',
      'unpack/',
      'commands/',
      'platform/node/',
    ],
  ],
  ['platform/net/', [...GROUND, 'storage/']],
  [
    'platform/',
    [
      ...GROUND,
      'storage/',
      'kernels/',
      'crypto/',
      'image/',
      'formats/index',
      'convert/',
      'codecs/',
      'unpack/',
      'commands/',
      'platform/net/',
    ],
  ],
];

/** The room a file is in: a format is a room of its own, so is each platform. */
function room(name: string): string {
  const parts = name.split('/');
  const depth = parts[0] === 'formats' || parts[0] === 'platform' ? 2 : 1;
  return parts.slice(0, depth).join('/');
}

function isAllowed(file: SourceFile, target: string): boolean {
  if (room(file.name) === room(target)) return true;
  const row = LAYERS.find(([prefix]) => file.name === prefix || file.name.startsWith(prefix));
  return (
    row?.[1].some((allowed) => target === allowed || (allowed.endsWith('/') && target.startsWith(allowed))) ?? false
  );
}

describe('the layers', () => {
  it('sees the files', () => {
    expect(sources.length).toBeGreaterThan(15);
    expect(sources.flatMap((file) => file.imports).length).toBeGreaterThan(30);
  });

  it('only point downwards, and formats do not know each other', () => {
    const wrong = sources.flatMap((file) =>
      file.imports.filter((target) => !isAllowed(file, target)).map((target) => `${file.name} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('have no cycle between files, not even of types', () => {
    const graph = new Map(sources.map((file) => [file.name, file.imports]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (name: string, path: string[]): void => {
      if (path.includes(name)) cycles.push([...path.slice(path.indexOf(name)), name].join(' -> '));
      if (done.has(name) || path.includes(name)) return;
      for (const next of graph.get(name) ?? []) visit(next, [...path, name]);
      done.add(name);
    };
    for (const file of sources) visit(file.name, []);
    expect(cycles).toEqual([]);
  });

  it('keep Node under platform/node and cli, and the DOM under platform/web', () => {
    const node = sources.filter((file) => file.modules.some((module) => module.startsWith('node:')));
    expect(node.map((file) => file.name).filter((name) => !/^(platform\/node|cli)\//.test(name))).toEqual([]);
    const dom = /\b(?:document|navigator|FileSystem\w*Handle|Blob|self)\b\s*[.(<]|\bnew Worker\b|\bpostMessage\b/;
    const web = sources.filter((file) => dom.test(withoutComments(file.text)));
    expect(web.map((file) => file.name).filter((name) => !/^platform\/(web|node)\//.test(name))).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
}
