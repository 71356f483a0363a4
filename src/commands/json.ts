/**
 * JSON in `qemu-img`'s dialect: objects in the order of QEMU's hash table, strings in single quotes accepted.
 *
 * Scripts compare the output of `info --output=json` as text, so the order of keys matters. QEMU keeps an object in a
 * table of 512 buckets and prints it bucket by bucket, the latest key of a bucket first.
 */
import { ImageError } from '../errors.js';
import type { Json } from '../image/image.js';
import { digits } from './sizes.js';

const BUCKETS = 512;
const utf8 = new TextEncoder();

/** The bucket of a key: a sum of shifted bytes that starts from the length, mixed once, all modulo 2^32. */
function bucketOf(key: string): number {
  const bytes = utf8.encode(key);
  let sum = Math.imul(0x238f13af, bytes.length);
  for (let i = 0; i < bytes.length; i++) sum = (sum + (bytes[i]! << ((i * 5) % 24))) | 0;
  return ((Math.imul(1103515243, sum) + 12345) >>> 0) % BUCKETS;
}

/** The entries of an object in the order in which QEMU prints them. */
export function orderedEntries<T>(object: { readonly [key: string]: T }): [string, T][] {
  const entries = Object.entries(object).map((entry, index) => ({ entry, index, bucket: bucketOf(entry[0]) }));
  entries.sort((a, b) => a.bucket - b.bucket || b.index - a.index);
  return entries.map(({ entry }) => entry);
}

/** On one line: `{"driver": "raw", "file": {…}}`. */
export function compactJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(compactJson).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    return `{${orderedEntries(value)
      .map(([key, item]) => `${quote(key)}: ${compactJson(item)}`)
      .join(', ')}}`;
  }
  return scalar(value);
}

/** Over many lines, four spaces a level; an empty array or object still takes two lines. */
export function prettyJson(value: Json, indent = ''): string {
  const inner = `${indent}    `;
  const block = (open: string, items: string[], close: string) =>
    `${open}\n${items.map((item) => inner + item).join(',\n')}${items.length > 0 ? '\n' : ''}${indent}${close}`;
  if (Array.isArray(value)) {
    const items = value.map((item) => prettyJson(item, inner));
    return block('[', items, ']');
  }
  if (value !== null && typeof value === 'object') {
    const items = orderedEntries(value).map(([key, item]) => `${quote(key)}: ${prettyJson(item, inner)}`);
    return block('{', items, '}');
  }
  return scalar(value);
}

function scalar(value: string | number | bigint | boolean | null): string {
  if (typeof value === 'string') return quote(value);
  return typeof value === 'number' ? digits(value) : String(value);
}

/** Printable ASCII as it is, everything else as `\uXXXX`. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  );
}

const STRINGS = /"(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'/gs;

/** Reads JSON, also with strings in single quotes. Throws `invalid`. */
export function parseJson(text: string): Json {
  const standard = text.replace(STRINGS, (literal, single?: string) =>
    single === undefined ? literal : `"${single.replace(/\\'|"/g, (found) => (found === '"' ? '\\"' : "'"))}"`,
  );
  try {
    return JSON.parse(standard) as Json;
  } catch (cause) {
    const unfinished = /end of JSON|Unterminated/i.test(String(cause));
    const reason = unfinished ? 'premature EOI' : 'invalid syntax';
    throw new ImageError('invalid', `JSON parse error, ${reason}`, { cause });
  }
}
