/**
 * Option tables.
 *
 * A driver declares its create options once; the table feeds `-o` parsing, defaults, `-o help`, the web form, the
 * documentation and the tests.
 */
import { ImageError } from '../errors.js';

/** As an option of opening, `string` names a file; `text` never does. */
export type OptionType = 'size' | 'number' | 'bool' | 'string' | 'text';

export interface OptionRow {
  name: string;
  type: OptionType;
  /** As `-o help` of `qemu-img` words it. */
  help: string;
  /** Shown by `-o help` as `(default: …)`. */
  default?: string | number | boolean;
  /** The allowed words, where there is a closed list. */
  values?: readonly string[];
  /** diskloom has it, `qemu-img` has not. */
  own?: boolean;
  /** It is about the storage, not the format: `-o help` tells of it only if it knows what the target is. */
  storage?: boolean;
}

/** Words of `preallocation` where it is the storage's. */
export const STORAGE_PREALLOCATION = ['off', 'falloc', 'full'] as const;

/** One of them. Throws `unsupported` for what only formats know, `invalid` for what nobody does. */
export function storagePreallocation(value: unknown): (typeof STORAGE_PREALLOCATION)[number] {
  const mode = STORAGE_PREALLOCATION.find((each) => each === value);
  if (mode !== undefined) return mode;
  if (value === 'metadata') throw new ImageError('unsupported', `Unsupported preallocation mode: ${value}`);
  throw new ImageError('invalid', `invalid parameter value: ${value}`);
}

export type OptionTable = readonly OptionRow[];

/** Parsed options: sizes and numbers as numbers, bools as booleans. What the user did not give is absent. */
export type OptionValues = { readonly [name: string]: string | number | boolean | undefined };
