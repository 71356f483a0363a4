/** The texts of `--help`. */
import { drivers } from '../formats/index.js';
import { type DescribedOption, spellings } from './options.js';
import { COMMAND, versionText } from './program.js';
import { STANDARD_OPTIONS } from './standard-options.js';
import { verbs } from './verbs/index.js';
import type { Verb } from './verbs/verb.js';

/** `-f, --format FMT`. */
export function optionHeading(option: DescribedOption): string {
  return spellings(option).join(', ') + (option.argument === null ? '' : ` ${option.argument}`);
}

/** That of the program. */
export function usageText(): string {
  const options = STANDARD_OPTIONS.map((option) => `  ${optionHeading(option).padEnd(18)} ${option.help}\n`).join('');
  const list = verbs.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}\n`).join('');
  return (
    `${versionText()}Usage: ${COMMAND} [standard options] COMMAND [options]\n\nStandard options:\n${options}\n` +
    `Commands (${COMMAND} COMMAND --help tells more):\n${list}\n` +
    `Supported image formats:\n\n  ${drivers.map(({ name }) => name).join(' ')}\n`
  );
}

/** That of a verb, without its own notes. */
export function helpText({ name, summary, operands, options, exitCodes = [] }: Verb): string {
  const lines = options.map((option) => `  ${optionHeading(option)}\n      ${option.help}\n`);
  const codes = exitCodes.map(({ code, meaning }) => `  ${String(code).padEnd(2)}  ${meaning}\n`);
  const endings = codes.length === 0 ? '' : `\nExit codes:\n${codes.join('')}`;
  return `Usage: ${COMMAND} ${name} [options] ${operands}\n${summary}\n\nOptions:\n${lines.join('')}${endings}`;
}
