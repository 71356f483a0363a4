/** What may stand in the place of a value on the command line, told by what the help calls it. */
import { CACHE_MODE_NAMES } from '../../commands/cache-modes.js';
import { joinTables } from '../../commands/create-options.js';
import { drivers } from '../../formats/index.js';
import type { OptionRow, OptionTable } from '../../image/options.js';
import { nodePlatform } from '../../platform/node/platform.js';
import type { DescribedOption } from '../options.js';
import { STANDARD_OPTIONS } from '../standard-options.js';
import type { Verb } from '../verbs/verb.js';

export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  /** A list of `key=value`, by a table that depends on the format. */
  | { readonly kind: 'options' }
  /** Numbers, names: nothing to choose from. */
  | { readonly kind: 'free' };

const FREE: Values = { kind: 'free' };
const FILE: Values = { kind: 'file' };

/** Formats that `-f` can read. */
export const READABLE = drivers.filter(({ open }) => open !== undefined).map(({ name }) => name);

/** Formats that `-O` can write. */
export const WRITABLE = drivers.filter(({ create }) => create !== undefined).map(({ name }) => name);

/** The help's words for values; every one that the option tables use. */
const BY_NAME: { readonly [argument: string]: Values } = {
  FMT: { kind: 'words', words: READABLE },
  OUTPUT_FMT: { kind: 'words', words: WRITABLE },
  CACHE: { kind: 'words', words: CACHE_MODE_NAMES },
  FILENAME: FILE,
  INPUT: FILE,
  OUTPUT: FILE,
  OPTS: { kind: 'options' },
  ...Object.fromEntries(
    [
      ...[
        'BLOCKS',
        'BYTE',
        'BYTES',
        'COUNT',
        'DEPTH',
        'LENGTH',
        'N',
        'NAME',
        'OBJDEF',
        'OFFSET',
        'RATE',
        'SIZE',
        'SNAPSHOT',
        'SOURCE',
      ],
      ...['STEP', 'TRACE'],
    ].map((name) => [name, FREE]),
  ),
};

/** What a value is that the help calls so: `FMT`, `human|json`. Throws for a word that nobody has decided about. */
export function valuesNamed(argument: string): Values {
  const known = BY_NAME[argument];
  if (known !== undefined) return known;
  if (!argument.includes('|')) throw new Error(`what is ${argument}? (cli/manual/values.ts)`);
  return { kind: 'words', words: argument.split('|') };
}

/** What a verb's operands are: words, or files. */
export function operandValues({ operands }: Verb): Values {
  return /^[a-z]+(\|[a-z]+)+$/.test(operands) ? valuesNamed(operands) : FILE;
}

/** The operands of `dd`: names, each with `=` behind it, and what follows. */
export function keyedOperands({ operands }: Verb): { name: string; values: Values }[] {
  return [...operands.matchAll(/\b([a-z]+)=(\w+)/g)].map(([, name, value]) => ({
    name: name!,
    values: valuesNamed(value!),
  }));
}

/** Value of one row of an option table. */
export function rowValues({ name, type, values }: OptionRow): Values {
  if (values !== undefined) return { kind: 'words', words: values };
  if (type === 'bool') return { kind: 'words', words: ['on', 'off'] };
  if (name.endsWith('_fmt')) return valuesNamed('FMT');
  return name.endsWith('_file') ? FILE : FREE;
}

/** What a key=value list is for. */
export type ListPurpose = 'create' | 'amend';

/** Which tables a verb's key=value lists are checked against. */
export interface ListedOptions {
  readonly what: ListPurpose;
  /** The option that names the format. */
  readonly chooser: DescribedOption;
  /** The format where it is not named. */
  readonly fallback: string;
}

/** Null: the verb takes no such list. */
export function listedOptions({ options }: Verb): ListedOptions | null {
  if (!options.some(({ argument }) => argument === 'OPTS')) return null;
  const target = options.find(({ argument }) => argument === 'OUTPUT_FMT');
  if (target !== undefined) return { what: 'create', chooser: target, fallback: 'raw' };
  const chooser = options.find(({ argument }) => argument === 'FMT')!;
  return { what: 'amend', chooser, fallback: 'qcow2' };
}

/** What `-o` takes for a new image in a file. */
export const CREATE_TABLES: ReadonlyMap<string, OptionTable> = new Map(
  drivers
    .filter(({ create }) => create !== undefined)
    .map(({ name, createOptions }) => [
      name,
      joinTables(createOptions, nodePlatform.protocols[0]!.createOptions ?? []),
    ]),
);

/** What `amend -o` takes. */
export const AMEND_TABLES: ReadonlyMap<string, OptionTable> = new Map(
  drivers.flatMap(({ name, amendOptions }) => (amendOptions === undefined ? [] : [[name, amendOptions] as const])),
);

/** What a list for one purpose and format may hold. */
export interface ListTable {
  readonly what: ListPurpose;
  readonly format: string;
  readonly table: OptionTable;
}

/** All of them. */
export const LIST_TABLES: readonly ListTable[] = (
  [
    ['create', CREATE_TABLES],
    ['amend', AMEND_TABLES],
  ] as const
).flatMap(([what, tables]) => [...tables].map(([format, table]) => ({ what, format, table })));

/** Options before the verb that a person would want completed. */
export const PLAIN_OPTIONS: readonly DescribedOption[] = STANDARD_OPTIONS.filter(({ argument }) => argument === null);
