/** diskloom(1), made of the tables that parsing and `--help` use. */
import { version } from '../../../package.json';
import { drivers } from '../../formats/index.js';
import type { ImageDriver } from '../../image/driver.js';
import type { OptionRow, OptionTable } from '../../image/options.js';
import { type DescribedOption, spellings } from '../options.js';
import { COMMAND } from '../program.js';
import { STANDARD_OPTIONS } from '../standard-options.js';
import { verbs } from '../verbs/index.js';
import type { Verb } from '../verbs/verb.js';
import {
  ABOUT_VERBS,
  CACHE,
  DESCRIPTION,
  DIFFERENCES,
  ENVIRONMENT,
  EXAMPLES,
  EXITS,
  FILE_NAMES,
  FORMAT_TITLES,
} from './prose.js';
import { bold, example, italic, paragraph, paragraphs, plain, prose, section, subsection, terms } from './roff.js';
import { CREATE_TABLES, rowValues } from './values.js';

/** A sentence of a help line, which has neither a capital nor a full stop. */
function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What stands for something else: operands and values by their names in the help. */
const REPLACED = new RegExp(
  `\\b(${[...new Set(verbs.flatMap(({ operands, options }) => placeholders([operands, ...options.map(({ argument }) => argument ?? '')])))].join('|')})\\b`,
  'g',
);

function placeholders(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.match(/\b[A-Z][A-Z0-9_]{2,}\b/g) ?? []);
}

/** The words for values and operands are set as such in the help, too. */
function optionTerm(option: DescribedOption): [string, string] {
  const value = option.argument === null ? '' : ` ${italic(option.argument)}`;
  return [
    spellings(option).map(bold).join(', ') + value,
    prose(sentence(capitalised(option.help)).replace(REPLACED, '_$&_')),
  ];
}

/** Operands as in a synopsis: capitals are to be replaced. */
function operandText(operands: string): string {
  return operands
    .split(/([A-Z][A-Z0-9]*)/)
    .map((part, at) => (at % 2 === 1 ? italic(part) : plain(part)))
    .join('');
}

function verbSection(verb: Verb): string {
  const { name, summary, operands, options, exitCodes = [] } = verb;
  const codes = exitCodes.map(({ code, meaning }): [string, string] => [
    bold(String(code)),
    prose(sentence(capitalised(meaning))),
  ]);
  return subsection(
    name,
    `${bold(`${COMMAND} ${name}`)} [${italic('options')}] ${operandText(operands)}`,
    ...[summary, ...(ABOUT_VERBS[name] ?? [])].map(paragraph),
    terms(options.map(optionTerm)),
    ...(codes.length === 0 ? [] : [paragraph('Exit codes:'), terms(codes, 4)]),
  );
}

const TYPES = { size: 'SIZE', number: 'NUMBER', bool: 'on|off', string: 'TEXT', text: 'TEXT' } as const;

function valueName(row: OptionRow): string {
  const values = rowValues(row);
  if (row.name.endsWith('_fmt')) return 'FMT';
  if (values.kind === 'words') return values.words.join('|');
  return values.kind === 'file' ? 'FILENAME' : TYPES[row.type];
}

function rowTerm(row: OptionRow): [string, string] {
  const fallback = row.default === undefined || row.default === '' ? '' : ` Default: ${defaultText(row.default)}.`;
  const own = row.own === true ? " diskloom's own." : '';
  return [`${bold(row.name)}=${italic(valueName(row))}`, prose(sentence(row.help) + fallback + own)];
}

function defaultText(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

function sorted(table: OptionTable): OptionTable {
  return [...table].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `Read, created, changed in place, checked; …`: what the driver has methods for. */
function abilities(driver: ImageDriver): string {
  const can = [
    'read',
    driver.create && 'created',
    driver.edit && 'changed in place',
    driver.check && 'checked',
    driver.amend && 'amended',
  ].filter((each) => each);
  const has = [
    driver.compresses && 'compression (-c)',
    driver.backing && 'backing files',
    driver.editBitmaps && 'bitmaps',
  ];
  const features = has.filter((each) => each);
  return `Can be ${can.join(', ')}.${features.length === 0 ? '' : ` Has ${features.join(', ')}.`}`;
}

function formatSection(driver: ImageDriver): string {
  const { name, amendOptions = [] } = driver;
  const options = CREATE_TABLES.get(name) ?? [];
  return subsection(
    name,
    paragraphs(`${FORMAT_TITLES[name]}. ${abilities(driver)}`),
    ...(options.length === 0 ? [] : [paragraph('Options of a new image (*-o*):'), terms(sorted(options).map(rowTerm))]),
    ...(amendOptions.length === 0 ? [] : amendText(amendOptions, options)),
  );
}

/** Options that creating has too are only named. */
function amendText(amendOptions: OptionTable, createOptions: OptionTable): string[] {
  const isKnown = ({ name }: OptionRow) => createOptions.some((row) => row.name === name);
  const known = amendOptions.filter(isKnown).map(({ name }) => `*${name}*`);
  const others = amendOptions.filter((row) => !isKnown(row));
  return [paragraph(`Of these, *amend -o* takes ${known.join(', ')}; and:`), terms(others.map(rowTerm))];
}

function examples(): string[] {
  return EXAMPLES.map(([what, ...lines]) => `${paragraph(what)}\n${example(...lines)}`);
}

/** Day of the build, or of SOURCE_DATE_EPOCH. */
function day(): string {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  const time = epoch === undefined || epoch === '' ? Date.now() : Number(epoch) * 1000;
  return new Date(time).toISOString().slice(0, 'YYYY-MM-DD'.length);
}

function marked(entries: readonly (readonly [string, string])[]): [string, string][] {
  return entries.map(([term, meaning]) => [bold(term), prose(meaning)]);
}

/** The page, in man(7). */
export function manualPage(): string {
  const parts = [
    '.\\" Made from the option tables when diskloom is built.',
    `.TH DISKLOOM 1 ${day()} "diskloom ${version}" "User Commands"`,
    // Lines of file names and options have too few spaces to be spread.
    '.ad l',
    '.nh',
    section('NAME', `${COMMAND} \\- make, convert, inspect and change virtual\\-disk images`),
    section(
      'SYNOPSIS',
      `${bold(COMMAND)} [${italic('standard options')}] ${italic('COMMAND')} [${italic('options')}] ${italic('operands')}`,
    ),
    section('DESCRIPTION', paragraphs(...DESCRIPTION)),
    section('STANDARD OPTIONS', terms(STANDARD_OPTIONS.map(optionTerm))),
    section(
      'COMMANDS',
      paragraphs(
        'Long names of options may be shortened as long as they are clear, options may follow operands, and *--* ends them. ' +
          'A _SIZE_ is in bytes, or has one of the suffixes k, M, G, T, P and E, powers of 1024. _FMT_ is one of the formats under ' +
          'IMAGE FORMATS, _OUTPUT_FMT_ one that can be created, _CACHE_ a word of CACHE MODES, _OPTS_ a list ' +
          'key=value,key=value,... with commas in values doubled.',
      ),
      ...verbs.map(verbSection),
    ),
    section('IMAGE FORMATS', ...[...drivers].sort((a, b) => (a.name < b.name ? -1 : 1)).map(formatSection)),
    section('FILE NAMES', terms(marked(FILE_NAMES))),
    section('CACHE MODES', terms(marked(CACHE), 16)),
    section('ENVIRONMENT', terms(marked(ENVIRONMENT))),
    section('EXIT STATUS', terms(marked(EXITS), 16), paragraph('*check* and *compare* have more: see there.')),
    section('EXAMPLES', ...examples()),
    section('DIFFERENCES FROM QEMU\\-IMG', paragraphs(...DIFFERENCES)),
    section('SEE ALSO', `${bold('qemu-img')}(1), ${bold('dd')}(1), ${bold('qemu-nbd')}(8)`),
  ];
  return `${parts.join('\n')}\n`;
}
