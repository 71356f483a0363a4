/**
 * Option tables of the verbs: one row an option, which feeds parsing, abbreviations, `--help` and the audit against
 * `qemu-img`.
 */

import { parseInteger } from '../commands/blockdev.js';
import { parseSize } from '../commands/sizes.js';
import { ImageError } from '../errors.js';
import type { Secrets } from '../image/encryption.js';
import { type OperandRule, type OptionNames, readOptions, UsageError } from './getopt.js';

/** What the help prints of an option. */
export interface DescribedOption extends OptionNames {
  readonly help: string;
}

export interface Option<R> extends DescribedOption {
  /** Takes the option into the request. Throws `ImageError` for a value that makes no sense. */
  set(request: R, value: string): void;
}

/** `-f, --format FMT` with its meaning; `argument` null for a flag. */
export function option<R>(
  short: string,
  long: string,
  argument: string | null,
  help: string,
  set: (request: R, value: string) => void,
): Option<R> {
  return { short, long: long === '' ? [] : long.split(' '), argument, help, set };
}

/** What every verb takes. */
export interface HelpRequest {
  help: boolean;
  /** From `--object`; absent: none. */
  secrets?: Secrets | undefined;
}

/** `-h, --help`, which every verb has. */
export function helpOption<R extends HelpRequest>(): Option<R> {
  return option('h', 'help', null, 'print this help and exit', (request) => {
    request.help = true;
  });
}

/** Thrown to end the parsing when help is asked for: what follows is not looked at. */
export class HelpWanted extends Error {}

/** Fills `request` from the command line and returns the operands. Throws `HelpWanted`, `UsageError`, `ImageError`. */
export function parseInto<R extends HelpRequest>(
  request: R,
  table: readonly Option<R>[],
  args: readonly string[],
  isOperand?: OperandRule,
): string[] {
  const operands: string[] = [];
  for (const { option: each, value } of readOptions(args, table, operands, { isOperand })) {
    each.set(request, value);
    if (request.help) throw new HelpWanted();
  }
  return operands;
}

/** `-f`, `--format`. */
export function spellings({ short, long }: OptionNames): string[] {
  return [...[...short].map((letter) => `-${letter}`), ...long.map((name) => `--${name}`)];
}

/** A size from the command line, rounded if it is above 2^53. Throws `invalid`, naming `what`. */
export function sizeArgument(what: string, text: string): number {
  return sizeBetween(what, text, 0);
}

/** A size from the command line, exact. Throws `invalid`, naming `what`. */
export function wholeSizeArgument(what: string, text: string): bigint {
  return wholeSizeBetween(what, text, 0, (1n << 63n) - 1n);
}

/** A size between two others; both ends are those of `int64_t` unless given. Throws `invalid`, naming `what`. */
export function sizeBetween(what: string, text: string, least: number, most?: number): number {
  return Number(wholeSizeBetween(what, text, least, most === undefined ? (1n << 63n) - 1n : BigInt(most)));
}

function wholeSizeBetween(what: string, text: string, least: number, limit: bigint): bigint {
  const size = parseSize(text);
  if (size === 'malformed') throw new ImageError('invalid', `Invalid ${what} specified: '${text}'.`);
  if (size === 'out of range' || size > limit || size < least)
    throw new ImageError('invalid', `Invalid ${what} specified. Must be between ${least} and ${limit}.`);
  return size;
}

/** A whole number between two others. Throws `invalid`, naming `what`. */
export function integerArgument(what: string, text: string, least: number, most: number): number {
  const value = parseInteger(text);
  if (value === null) throw new ImageError('invalid', `Invalid ${what} specified: '${text}'.`);
  if (value < least || value > most)
    throw new ImageError('invalid', `Invalid ${what} specified. Must be between ${least} and ${most}.`);
  return value;
}

/** `human` or `json`. */
export type OutputFormat = 'human' | 'json';

export function outputArgument(value: string): OutputFormat {
  if (value === 'human' || value === 'json') return value;
  throw new UsageError(`--output expects 'human' or 'json' not '${value}'`);
}
