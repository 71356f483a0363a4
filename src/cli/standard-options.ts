/** The options before the verb. */
import type { DescribedOption } from './options.js';

interface StandardOption extends DescribedOption {
  readonly name: 'help' | 'version' | 'trace';
}

export const STANDARD_OPTIONS: readonly StandardOption[] = [
  { name: 'help', short: 'h', long: ['help'], argument: null, help: 'print this help and exit' },
  { name: 'version', short: 'V', long: ['version'], argument: null, help: 'print the version and exit' },
  { name: 'trace', short: 'T', long: ['trace'], argument: 'TRACE', help: "refused: QEMU's tracing is not there" },
];
