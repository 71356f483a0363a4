/** `amend` on the command line. */
import { amendImage, amendTable } from '../../commands/amend.js';
import { asksForHelp } from '../../commands/blockdev.js';
import { describeOptions } from '../../commands/create-options.js';
import type { Platform } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import { UsageError } from '../getopt.js';
import { type LongWork, runLong } from '../long-work.js';
import { helpOption, type Option, option, parseInto } from '../options.js';
import { print } from '../output.js';
import { printedEvents, printWarning, reportFailure } from '../program.js';
import { appendOptions, externalOption, objectOption, type ProgressRequest, progressOptions } from './common.js';
import type { Verb } from './verb.js';

interface AmendArguments extends ProgressRequest {
  format: string | null;
  imageOptions: boolean;
  options: string | null;
  cache: string;
  force: boolean;
  allowExternal: boolean;
}

const options: readonly Option<AmendArguments>[] = [
  helpOption(),
  ...progressOptions<AmendArguments>(),
  option('f', 'format', 'FMT', 'format of the image; probed unless given', (request, value) => {
    request.format = value;
  }),
  option('', 'image-opts', null, 'FILENAME is a list of key=value options instead of a file name', (request) => {
    request.imageOptions = true;
  }),
  option('o', 'options', 'OPTS', "what is to be changed, key=value,...; 'help' lists what can be", appendOptions),
  option('t', 'cache', 'CACHE', 'cache mode of the image (default writeback)', (request, value) => {
    request.cache = value;
  }),
  option('', 'force', null, 'also what cannot be undone: overwriting or erasing the last key', (request) => {
    request.force = true;
  }),
  objectOption(),
  externalOption(),
];

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: AmendArguments = {
    help: false,
    progress: false,
    quiet: false,
    format: null,
    imageOptions: false,
    options: null,
    cache: 'writeback',
    force: false,
    allowExternal: false,
  };
  const [name, ...more] = parseInto(request, options, args);
  if (request.options === null) throw new UsageError('Must specify options (-o)');
  return new Amendment({ ...request, options: request.options }, platform).run(name, more);
}

/** `qemu-img` tells the failure before it ends the line of the progress, and ends that even if it has not begun. */
class Amendment {
  #isStarted = false;
  #isReported = false;

  constructor(
    private readonly request: AmendArguments & { options: string },
    private readonly platform: Platform,
  ) {}

  async run(name: string | undefined, more: readonly string[]): Promise<number> {
    const { request } = this;
    try {
      if (request.format !== null && asksForHelp(request.options)) printHelp(request.format);
      else if (name === undefined || more.length > 0) throw new ImageError('invalid', 'Expecting one image file name');
      else await runLong(request, (long) => this.#amend(name, long), 1, true);
    } catch (error) {
      if (!this.#isReported) reportFailure(error, 'amend');
      return 1;
    } finally {
      if (!this.#isStarted && request.progress && !request.quiet) print('\n');
    }
    return 0;
  }

  async #amend(name: string, { signal, start, update }: LongWork): Promise<void> {
    const image = { ...this.request, name, signal, onWarning: printWarning, events: printedEvents };
    const onStart = () => {
      this.#isStarted = true;
      start();
    };
    try {
      const { helpFor } = await amendImage(this.platform, image, { onStart, onProgress: update });
      if (helpFor !== null) printHelp(helpFor);
    } catch (error) {
      if (!this.#isStarted || !(error instanceof ImageError) || error.code === 'aborted') throw error;
      update(1, 1);
      reportFailure(error, 'amend');
      this.#isReported = true;
      throw error;
    }
  }
}

function printHelp(format: string): void {
  const lines = describeOptions(amendTable(format)).map((line) => `${line}\n`);
  print(`Amend options for '${format}':\n${lines.join('')}`);
}

export const amend: Verb = {
  name: 'amend',
  summary: 'Changes options of an image that were chosen when it was made.',
  operands: 'FILENAME',
  options,
  run,
};
