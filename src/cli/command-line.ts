/** The command line: `diskloom [standard options] VERB [options] …`. */
import type { Platform } from '../commands/platform.js';
import { readOptions, UsageError } from './getopt.js';
import { helpText, usageText } from './help.js';
import { HelpWanted } from './options.js';
import { print } from './output.js';
import { reportFailure, versionText } from './program.js';
import { STANDARD_OPTIONS } from './standard-options.js';
import { verbs } from './verbs/index.js';
import type { Verb } from './verbs/verb.js';

/** Runs a command line to its end, tells what went wrong, and returns the exit code. */
export async function runCommandLine(args: readonly string[], platform: Platform): Promise<number> {
  try {
    return await run(args, platform);
  } catch (error) {
    reportFailure(error, null);
    return 1;
  }
}

async function run(args: readonly string[], platform: Platform): Promise<number> {
  if (args.length === 0) throw new UsageError('Not enough arguments');
  const operands: string[] = [];
  for (const { option } of readOptions(args, STANDARD_OPTIONS, operands, { stopAtOperand: true })) {
    if (option.name === 'trace') throw new UsageError('tracing is not supported');
    print(option.name === 'version' ? versionText() : usageText());
    return 0;
  }
  const [name, ...rest] = operands;
  if (name === undefined) return 0;
  const verb = verbs.find((each) => each.name === name);
  if (verb === undefined) throw new UsageError(`Command not found: ${name}`);
  return runVerb(verb, rest, platform);
}

async function runVerb(verb: Verb, args: readonly string[], platform: Platform): Promise<number> {
  try {
    return await verb.run(args, platform);
  } catch (error) {
    if (error instanceof HelpWanted) {
      print(helpText(verb) + (verb.notes?.() ?? ''));
      return 0;
    }
    reportFailure(error, verb.name);
    return 1;
  }
}
