/** `amend` on the command line. */
import { amendImage, amendTable } from '../../commands/amend.js';
import { asksForHelp } from '../../commands/blockdev.js';
import { describeOptions } from '../../commands/create-options.js';
import type { Platform } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import { UsageError } from '../getopt.js';
import { runLong } from '../long-work.js';
import { helpOption, type Option, option, parseInto } from '../options.js';
import { print } from '../output.js';
import { printedEvents, printWarning } from '../program.js';
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
  if (request.format !== null && asksForHelp(request.options)) {
    printHelp(request.format);
    return 0;
  }
  if (name === undefined || more.length > 0) throw new ImageError('invalid', 'Expecting one image file name');
  const helpFor = await runLong(
    request,
    async ({ signal, start, update }) => {
      const image = {
        ...request,
        options: request.options!,
        name,
        signal,
        onWarning: printWarning,
        events: printedEvents,
      };
      const { helpFor } = await amendImage(platform, image, { onStart: start, onProgress: update });
      return helpFor;
    },
    1,
    true,
  );
  if (helpFor !== null) printHelp(helpFor);
  return 0;
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
