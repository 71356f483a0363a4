/** `check` on the command line. */
import { type CheckImageEvents, type CheckResult, checkImage } from '../../commands/check.js';
import type { Platform } from '../../commands/platform.js';
import type { Repair } from '../../image/check.js';
import { checkJson, checkText, repairText } from '../check-text.js';
import { UsageError } from '../getopt.js';
import { helpOption, type Option, type OutputFormat, option, parseInto } from '../options.js';
import { print } from '../output.js';
import { printError, printWarning, reportFailure } from '../program.js';
import { outputOption, type ReadingRequest, readingOptions } from './common.js';
import type { Verb } from './verb.js';

interface CheckArguments extends ReadingRequest {
  output: OutputFormat;
  cache: string;
  repair: Repair;
  quiet: boolean;
}

/** Exit codes besides 0 and 1. */
const EXIT = { corrupt: 2, leaks: 3, unsupported: 63 };

const options: readonly Option<CheckArguments>[] = [
  helpOption(),
  ...readingOptions<CheckArguments>(),
  option('r', 'repair', 'leaks|all', 'repair leaked clusters, or all that can be repaired', (request, value) => {
    if (value !== 'leaks' && value !== 'all')
      throw new UsageError(`--repair (-r) expects 'leaks' or 'all' not '${value}'`);
    request.repair = value;
  }),
  option('T', 'cache source-cache', 'CACHE', 'cache mode of the image (default writeback)', (request, value) => {
    request.cache = value;
  }),
  option('q', 'quiet', null, 'print nothing but errors', (request) => {
    request.quiet = true;
  }),
  outputOption(),
];

/** Findings are gathered up to so many characters before they are printed. */
const BATCH = 64 * 1024;

/**
 * Findings on standard error and all else on standard output. People see them in the order in which they come. A file or
 * a pipe gets what is meant for standard output at the end, as from C's buffered streams: where both streams go to the
 * same place, programs know that order.
 */
class Reporter implements CheckImageEvents {
  #findings = '';
  #output = '';

  constructor(private readonly request: CheckArguments) {}

  say(text: string): void {
    this.flush();
    if (process.stdout.isTTY) print(text);
    else this.#output += text;
  }

  onFinding(line: string): void {
    this.#findings += `${line}\n`;
    if (this.#findings.length >= BATCH) this.flush();
  }

  onTrouble(message: string): void {
    this.flush();
    printError(message);
  }

  onRepaired(report: CheckResult['report']): void {
    if (this.request.output === 'human' && !this.request.quiet) this.say(repairText(report));
  }

  flush(): void {
    process.stderr.write(this.#findings);
    this.#findings = '';
  }

  /** Nothing follows. What a full pipe has not taken yet is waited for, lest the output overtake it in the same pipe. */
  async end(): Promise<void> {
    this.flush();
    if (process.stderr.writableLength > 0)
      await new Promise<void>((resolve) => process.stderr.write('', () => resolve()));
    print(this.#output);
    this.#output = '';
  }
}

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: CheckArguments = {
    help: false,
    format: null,
    imageOptions: false,
    share: false,
    allowExternal: false,
    output: 'human',
    cache: 'writeback',
    repair: 'none',
    quiet: false,
  };
  const [name, ...more] = parseInto(request, options, args);
  if (name === undefined || more.length > 0) throw new UsageError('Expecting one image file name');
  const reporter = new Reporter(request);
  try {
    const result = await checkImage(platform, { ...request, name, onWarning: printWarning }, reporter);
    return conclude(result, name, request, reporter);
  } catch (error) {
    reporter.flush();
    reportFailure(error, 'check');
    return 1;
  } finally {
    await reporter.end();
  }
}

/** Says what came out, and returns the exit code. */
function conclude(result: CheckResult | null, name: string, request: CheckArguments, reporter: Reporter): number {
  if (result === null) {
    printError('This image format does not support checks');
    return EXIT.unsupported;
  }
  if (!request.quiet) reporter.say(request.output === 'json' ? checkJson(result, name) : checkText(result));
  return exitCode(result.report);
}

function exitCode({ checkErrors, corruptions, leaks }: CheckResult['report']): number {
  if (checkErrors > 0) {
    printError('Check failed');
    return 1;
  }
  if (corruptions > 0) return EXIT.corrupt;
  return leaks > 0 ? EXIT.leaks : 0;
}

export const check: Verb = {
  name: 'check',
  summary: 'Looks for damage in an image and, if asked to, repairs it.',
  operands: 'FILENAME',
  options,
  exitCodes: [
    { code: 0, meaning: 'the image is in order, or is so now' },
    { code: 1, meaning: 'the check could not be completed' },
    { code: EXIT.corrupt, meaning: 'the image is corrupt' },
    { code: EXIT.leaks, meaning: 'clusters are leaked, but nothing is corrupt' },
    { code: EXIT.unsupported, meaning: 'images of this format cannot be checked' },
  ],
  run,
};
