/** Create options: `-o` text against the tables of a format and a protocol. */
import { ImageError } from '../errors.js';
import type { OptionRow, OptionTable, OptionValues } from '../image/options.js';
import { parseKeyValues, parseNumberOption, parseSizeOption, parseSwitch } from './blockdev.js';

/** The format's rows, then those of the protocol whose names the format does not have. */
export function joinTables(format: OptionTable, protocol: OptionTable): OptionTable {
  return [...format, ...protocol.filter((row) => !format.some(({ name }) => name === row.name))];
}

/**
 * Whether `-o`'s argument can be joined with others by commas: not empty, no comma in front, no odd number of them at
 * the end.
 */
export function isOptionList(text: string): boolean {
  const commas = /,*$/.exec(text)![0].length;
  return text !== '' && !text.startsWith(',') && commas % 2 === 0;
}

/** What the user chose; absent: the default. */
export type OptionChoice = { [name: string]: string | number | boolean | undefined };

/** Values of `-o`'s text; a later one wins. Throws `invalid` for unknown names and malformed values. */
export function parseCreateOptions(text: string, table: OptionTable): OptionChoice {
  const values: OptionChoice = {};
  for (const { key, value } of parseKeyValues(text)) {
    const row = table.find(({ name }) => name === key);
    if (row === undefined) throw new ImageError('invalid', `Invalid parameter '${key}'`);
    values[key] = parseValue(row, value);
  }
  return values;
}

function parseValue(row: OptionRow, value: string): string | number | boolean {
  switch (row.type) {
    case 'bool':
      return parseSwitch(row.name, value);
    case 'size':
      return parseSizeOption(row.name, value);
    case 'number':
      return parseNumberOption(row.name, value);
    case 'string':
    case 'text':
      return value;
  }
}

/** The values of those options that are in `table`. */
export function pickOptions(values: OptionValues, table: OptionTable): OptionValues {
  return Object.fromEntries(Object.entries(values).filter(([key]) => table.some(({ name }) => name === key)));
}

const TYPE_NAMES = { size: 'size', number: 'num', bool: 'bool (on/off)', string: 'str', text: 'str' };

/** The lines that `-o help` prints, one an option, sorted. */
export function describeOptions(table: OptionTable): string[] {
  return table.map(({ name, type, help }) => `${`  ${name}=<${TYPE_NAMES[type]}>`.padEnd(24)} - ${help}`).sort();
}

/** What `qemu-img` lists for a format: with the storage's options only if the storage is known, without our own. */
export function helpTable(table: OptionTable, knowsStorage: boolean): OptionTable {
  return table.filter(({ own, storage }) => own !== true && (knowsStorage || storage !== true));
}

/** Values as `-o` takes them: the reverse of `parseCreateOptions`; null: none. */
export function optionText(options: OptionValues): string | null {
  const texts = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${printValue(value!)}`);
  return texts.length === 0 ? null : texts.join(',');
}

/** ` key=value key=value` of what is set or has a default, in the table's order; commas in texts doubled. */
export function printOptions(values: OptionValues, table: OptionTable): string {
  const shown: string[] = [];
  for (const row of table) {
    const value = values[row.name] ?? row.default;
    if (value !== undefined) shown.push(`${row.name}=${printValue(value)}`);
  }
  return shown.join(' ');
}

function printValue(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'string' ? value.replaceAll(',', ',,') : String(BigInt(value));
}
