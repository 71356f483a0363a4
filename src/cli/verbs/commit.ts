/** `commit` on the command line. */
import { commitImage } from '../../commands/commit.js';
import type { Platform } from '../../commands/platform.js';
import { UsageError } from '../getopt.js';
import { runLong } from '../long-work.js';
import { helpOption, type Option, option, parseInto, sizeArgument } from '../options.js';
import { print } from '../output.js';
import { printedEvents, printWarning } from '../program.js';
import { externalOption, objectOption, type ProgressRequest, progressOptions } from './common.js';
import type { Verb } from './verb.js';

interface CommitArguments extends ProgressRequest {
  format: string | null;
  imageOptions: boolean;
  cache: string;
  base: string | null;
  keep: boolean;
  rate: number;
  allowExternal: boolean;
}

const options: readonly Option<CommitArguments>[] = [
  helpOption(),
  ...progressOptions<CommitArguments>(),
  option('f', 'format', 'FMT', 'format of the image; probed unless given', (request, value) => {
    request.format = value;
  }),
  option('', 'image-opts', null, 'FILENAME is a list of key=value options instead of a file name', (request) => {
    request.imageOptions = true;
  }),
  option('t', 'cache', 'CACHE', 'cache mode of the images (default writeback)', (request, value) => {
    request.cache = value;
  }),
  option(
    'b',
    'base',
    'FILENAME',
    'the image of the backing chain that takes the changes; implies -d',
    (request, value) => {
      request.base = value;
    },
  ),
  option('d', 'drop', null, 'leave FILENAME as it is instead of emptying it', (request) => {
    request.keep = true;
  }),
  option('r', 'rate', 'RATE', 'bytes written a second', (request, value) => {
    request.rate = sizeArgument('rate limit', value);
  }),
  objectOption(),
  externalOption(),
];

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: CommitArguments = {
    help: false,
    progress: false,
    quiet: false,
    format: null,
    imageOptions: false,
    cache: 'writeback',
    base: null,
    keep: false,
    rate: 0,
    allowExternal: false,
  };
  const [name, ...more] = parseInto(request, options, args);
  if (name === undefined || more.length > 0) throw new UsageError('Expecting one image file name');
  await runLong(request, ({ signal, start, update }) => {
    start();
    return commitImage(platform, { ...request, name, signal, onWarning: printWarning, events: printedEvents }, update);
  });
  if (!request.quiet) print('Image committed.\n');
  return 0;
}

export const commit: Verb = {
  name: 'commit',
  summary: 'Writes the changes that an image holds into its backing file.',
  operands: 'FILENAME',
  options,
  run,
};
