/** What a verb is to the command line. */
import type { Platform } from '../../commands/platform.js';
import type { DescribedOption } from '../options.js';

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** What follows the options, for the help. */
  readonly operands: string;
  readonly options: readonly DescribedOption[];
  /** What the help says after the options. */
  notes?(): string;
  /** Does the work and returns the exit code. Throws what is to be reported, for exit code 1. */
  run(args: readonly string[], platform: Platform): Promise<number>;
}
