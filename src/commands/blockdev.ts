/**
 * Options of block devices: `--image-opts driver=qcow2,file.filename=a.qcow2`, `json:{…}` names, `-o`, `--object`.
 *
 * All of them come down to a flat list of dotted names; a child's options are those that begin with the child's name
 * and a dot. Each node takes what it knows; what is left over is refused.
 */
import { ImageError } from '../errors.js';
import type { Json } from '../image/image.js';
import { orderedEntries, parseJson } from './json.js';
import { parseSize } from './sizes.js';

export type Scalar = string | number | boolean | null;

/** One `key=value` of a list; `flag` says that there was no `=value`. */
export interface KeyValue {
  key: string;
  value: string;
  flag: boolean;
}

/**
 * Splits `key=value,key=value`. `,,` in a value is a comma; `key` alone is `on`, `nokey` is `key=off`; the first entry
 * may be a bare value if there is an implied key.
 */
export function parseKeyValues(text: string, impliedKey: string | null = null): KeyValue[] {
  const entries: KeyValue[] = [];
  for (let at = 0; at < text.length; ) {
    const nameEnd = endOf(text, at, /[=,]/g);
    const hasValue = text[nameEnd] === '=';
    if (!hasValue && (at > 0 || impliedKey === null)) {
      entries.push(flagEntry(text.slice(at, nameEnd)));
      at = nameEnd + 1;
      continue;
    }
    const valueAt = hasValue ? nameEnd + 1 : at;
    const { value, end } = takeValue(text, valueAt);
    entries.push({ key: hasValue ? text.slice(at, nameEnd) : impliedKey!, value, flag: false });
    at = end + 1;
  }
  return entries;
}

function flagEntry(name: string): KeyValue {
  return name.startsWith('no')
    ? { key: name.slice(2), value: 'off', flag: true }
    : { key: name, value: 'on', flag: true };
}

function endOf(text: string, from: number, delimiter: RegExp): number {
  delimiter.lastIndex = from;
  return delimiter.exec(text)?.index ?? text.length;
}

/** The value that starts at `from`, up to a single comma. */
function takeValue(text: string, from: number): { value: string; end: number } {
  let end = from;
  while (end < text.length && (text[end] !== ',' || text[end + 1] === ',')) end += text[end] === ',' ? 2 : 1;
  return { value: text.slice(from, end).replaceAll(',,', ','), end };
}

/** Whether an option list asks for help: `help` or `?` as an entry. */
export function asksForHelp(text: string): boolean {
  return parseKeyValues(text).some((entry) => entry.flag && (entry.key === 'help' || entry.key === '?'));
}

/** `on` or `off`, in all spellings. Throws `invalid`. */
export function parseSwitch(name: string, value: string): boolean {
  if (/^(on|yes|true|y)$/.test(value)) return true;
  if (/^(off|no|false|n)$/.test(value)) return false;
  throw new ImageError('invalid', `Parameter '${name}' expects 'on' or 'off'`);
}

/** A size as an option value. Throws `invalid`. */
export function parseSizeOption(name: string, value: string): number {
  const size = parseWholeSize(name, value);
  if (size > Number.MAX_SAFE_INTEGER) throw outOfRange(name, value);
  return Number(size);
}

/** A size, or with a sign what is to be added to one. */
export function parseRelativeSize(name: string, value: string): { size: bigint; isRelative: boolean } {
  const isRelative = /^[+-]/.test(value);
  const size = parseWholeSize(name, isRelative ? value.slice(1) : value);
  return { size: value.startsWith('-') ? -size : size, isRelative };
}

/** All of what 64 bits hold. */
function parseWholeSize(name: string, value: string): bigint {
  const size = parseSize(value);
  if (size === 'malformed') {
    throw new ImageError(
      'invalid',
      `Parameter '${name}' expects a non-negative number below 2^64\n` +
        'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.',
    );
  }
  if (size === 'out of range') throw outOfRange(name, value);
  return size;
}

function outOfRange(name: string, value: string): ImageError {
  return new ImageError('invalid', `Value '${value}' is out of range for parameter '${name}'`);
}

/** A whole number as an option value, decimal, octal (0…) or hexadecimal (0x…). Throws `invalid`. */
export function parseNumberOption(name: string, value: string): number {
  const number = parseInteger(value);
  if (number === null) throw new ImageError('invalid', `Parameter '${name}' expects a number`);
  if (number > Number.MAX_SAFE_INTEGER) {
    throw new ImageError('invalid', `Value '${value}' is too large for parameter '${name}'`);
  }
  return number;
}

/** An integer as C's `strtol` with base 0 takes it, sign included; null if it is none. */
export function parseInteger(text: string): number | null {
  const match = /^\s*([+-]?)(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9]\d*))$/i.exec(text);
  if (match === null) return null;
  const [, sign, hex, octal, decimal] = match;
  const magnitude = hex ? Number.parseInt(hex, 16) : octal ? Number.parseInt(octal, 8) : Number(decimal);
  return sign === '-' ? -magnitude : magnitude;
}

/** The options of one node; taking an option removes it. */
export class BlockdevOptions {
  readonly #values: Map<string, Scalar>;

  constructor(values: Iterable<readonly [string, Scalar]> = []) {
    this.#values = new Map(values);
  }

  /** From `--image-opts`; a bare first value is `file`, the name of a node. */
  static fromText(text: string): BlockdevOptions {
    return new BlockdevOptions(parseKeyValues(text, 'file').map(({ key, value }) => [key, value]));
  }

  /** From a `json:` name. Throws `invalid`. */
  static fromJsonName(name: string): BlockdevOptions {
    let value: Json;
    try {
      value = parseJson(name.slice('json:'.length));
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed('Could not parse the JSON options: ') : error;
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value))
      throw new ImageError('invalid', 'Invalid JSON object given');
    return new BlockdevOptions(flatten(value, ''));
  }

  get size(): number {
    return this.#values.size;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** Puts a value unless there is one already. */
  setDefault(key: string, value: Scalar): void {
    if (!this.#values.has(key)) this.#values.set(key, value);
  }

  addDefaults(others: BlockdevOptions): void {
    for (const [key, value] of others.#values) this.setDefault(key, value);
  }

  /** The value, which stays. */
  peek(key: string): Scalar | undefined {
    return this.#values.get(key);
  }

  /** The value as it was given. */
  take(key: string): Scalar | undefined {
    const value = this.#values.get(key);
    this.#values.delete(key);
    return value;
  }

  takeText(key: string): string | undefined {
    const value = this.take(key);
    return value === undefined || value === null ? undefined : textOf(value);
  }

  takeSwitch(key: string): boolean | undefined {
    const text = this.takeText(key);
    return text === undefined ? undefined : parseSwitch(key, text);
  }

  /** The options of a child: those that begin with `name.`, without that. */
  takeChild(name: string): BlockdevOptions {
    const child = new BlockdevOptions();
    for (const [key, value] of this.#values) {
      if (!key.startsWith(`${name}.`)) continue;
      child.#values.set(key.slice(name.length + 1), value);
      this.#values.delete(key);
    }
    return child;
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  /** Takes the options whose names fit, as they were given. */
  takeMatching(fits: (key: string) => boolean): Map<string, Scalar> {
    const taken = new Map([...this.#values].filter(([key]) => fits(key)));
    for (const key of taken.keys()) this.#values.delete(key);
    return taken;
  }

  /** Takes all that is left, as it was given. */
  takeRest(): Map<string, Scalar> {
    const rest = new Map(this.#values);
    this.#values.clear();
    return rest;
  }

  /** The option that is named when there are some that nobody took. */
  firstKey(): string | undefined {
    return orderedEntries(Object.fromEntries(this.#values))[0]?.[0];
  }
}

/** The values as texts; what is null is left out. */
export function textValues(values: ReadonlyMap<string, Scalar>): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [key, value] of values) if (value !== null) texts.set(key, textOf(value));
  return texts;
}

/** A value as the text that a list of options would have. */
export function textOf(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

function* flatten(value: Json, path: string): Iterable<[string, Scalar]> {
  if (typeof value === 'bigint') yield [path, Number(value)];
  else if (value === null || typeof value !== 'object') yield [path, value];
  else {
    const prefix = path === '' ? '' : `${path}.`;
    for (const [key, item] of Object.entries(value)) yield* flatten(item, prefix + key);
  }
}
