/** `compare` on the command line. */
import { type Comparison, compareImages } from '../../commands/compare.js';
import type { Platform } from '../../commands/platform.js';
import type { Trust } from '../../commands/settings.js';
import { UsageError } from '../getopt.js';
import { helpOption, type Option, option, parseInto } from '../options.js';
import { print } from '../output.js';
import { printError, printWarning } from '../program.js';
import { visibleProgress } from '../progress.js';
import { externalOption, objectOption, type ProgressRequest, progressOptions, unpackOptions } from './common.js';
import type { Verb } from './verb.js';

interface CompareArguments extends ProgressRequest, Pick<Trust, 'unpack'> {
  firstFormat: string | null;
  secondFormat: string | null;
  imageOptions: boolean;
  cache: string;
  share: boolean;
  allowExternal: boolean;
  strict: boolean;
}

/** Exit code 1 says that the images differ; these say that nobody knows. */
const EXIT = { open: 2, status: 3, read: 4 };

const options: readonly Option<CompareArguments>[] = [
  helpOption(),
  option('f', 'a-format', 'FMT', 'format of FILENAME1; probed unless given', (request, value) => {
    request.firstFormat = value;
  }),
  option('F', 'b-format', 'FMT', 'format of FILENAME2; probed unless given', (request, value) => {
    request.secondFormat = value;
  }),
  option('', 'image-opts', null, 'FILENAME1 and FILENAME2 are lists of key=value options', (request) => {
    request.imageOptions = true;
  }),
  option('T', 'cache source-cache', 'CACHE', 'cache mode of both images (default writeback)', (request, value) => {
    request.cache = value;
  }),
  option('U', 'force-share', null, 'open the images even if another program is writing to them', (request) => {
    request.share = true;
  }),
  option('s', 'strict', null, 'sizes and allocation have to be the same too', (request) => {
    request.strict = true;
  }),
  ...progressOptions<CompareArguments>(),
  objectOption(),
  externalOption(),
  ...unpackOptions<CompareArguments>(),
];

function defaults(): CompareArguments {
  return {
    help: false,
    firstFormat: null,
    secondFormat: null,
    imageOptions: false,
    cache: 'writeback',
    share: false,
    allowExternal: false,
    strict: false,
    progress: false,
    quiet: false,
  };
}

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request = defaults();
  const [first, second, ...more] = parseInto(request, options, args);
  if (first === undefined || second === undefined || more.length > 0)
    throw new UsageError('Expecting two image file names');
  const { imageOptions } = request;
  const progress = request.progress && !request.quiet ? visibleProgress(process.stdout, STEP) : null;
  // Printed in the end, behind what went wrong: as the output of a program that buffers it.
  const lines: string[] = [];
  const say = (line: string) => {
    if (!request.quiet) lines.push(`${line}\n`);
  };
  try {
    const comparison = await compareImages(
      platform,
      {
        ...request,
        first: { name: first, imageOptions, format: request.firstFormat },
        second: { name: second, imageOptions, format: request.secondFormat },
        onWarning: printWarning,
      },
      {
        onStart: () => progress?.start(),
        onProgress: (done, total) => progress?.update(done, total),
        onSizeMismatch: () => say('Warning: Image size mismatch!'),
      },
    );
    return conclude(comparison, say);
  } finally {
    progress?.end(false);
    print(lines.join(''));
  }
}

/** Says what came out, and returns the exit code. */
function conclude(comparison: Comparison, say: (line: string) => void): number {
  if (comparison.kind === 'failed') {
    printError(comparison.error.message);
    return EXIT[comparison.stage];
  }
  if (comparison.kind === 'identical') {
    say('Images are identical.');
    return 0;
  }
  if (comparison.what === 'size') say('Strict mode: Image size mismatch!');
  else if (comparison.what === 'status') say(`Strict mode: Offset ${comparison.offset} block status mismatch!`);
  else say(`Content mismatch at offset ${comparison.offset}!`);
  return 1;
}

/** Points of a hundred between two outputs of `qemu-img compare -p`. */
const STEP = 2;

export const compare: Verb = {
  name: 'compare',
  summary: 'Tells whether two disks hold the same bytes.',
  operands: 'FILENAME1 FILENAME2',
  options,
  exitCodes: [
    { code: 0, meaning: 'the disks hold the same bytes' },
    { code: 1, meaning: 'they do not; or the command line makes no sense' },
    { code: EXIT.open, meaning: 'an image could not be opened' },
    { code: EXIT.status, meaning: 'an image cannot tell which of its parts hold data' },
    { code: EXIT.read, meaning: 'an image could not be read' },
  ],
  run,
};
