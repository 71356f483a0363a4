/** `convert` on the command line. */
import { asksForHelp } from '../../commands/blockdev.js';
import {
  CONVERT_DEFAULTS,
  type ConvertRequest,
  checkConvertRequest,
  convert as convertImages,
} from '../../commands/convert.js';
import type { Platform } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import { createOptionsHelp, ownOptionsHelp } from '../create-help.js';
import { runLong } from '../long-work.js';
import { helpOption, integerArgument, type Option, option, parseInto, sizeArgument } from '../options.js';
import { print } from '../output.js';
import { printedEvents, printWarning } from '../program.js';
import {
  appendOptions,
  environmentIdentity,
  externalOption,
  objectOption,
  type ProgressRequest,
  progressOptions,
  reproducibleOption,
  snapshotArgument,
  unpackOptions,
} from './common.js';
import type { Verb } from './verb.js';

type ConvertArguments = ProgressRequest & Omit<ConvertRequest, 'sources' | 'target' | 'signal'>;

type Set = (request: ConvertArguments, value: string) => void;

/** Most coroutines, and the largest -S, that `qemu-img` takes. */
const MOST_PARALLEL = 16;
const LARGEST_SPARSE = 16 * 1024 * 1024;

const setSparse: Set = (request, value) => {
  const what = 'buffer size for sparse output';
  const size = sizeArgument(what, value);
  if (size % 512 !== 0 || size > LARGEST_SPARSE) {
    throw new ImageError(
      'invalid',
      `Invalid ${what} specified. Valid sizes are multiples of 512 up to ${LARGEST_SPARSE}. ` +
        'Select 0 to disable sparse detection (fully allocates output).',
    );
  }
  request.sparse = size;
};

const setSnapshot: Set = (request, value) => {
  request.snapshot = snapshotArgument(value);
};

const sourceOptions: readonly Option<ConvertArguments>[] = [
  option('f', 'source-format', 'FMT', 'format of the sources; probed unless given', (request, value) => {
    request.sourceFormat = value;
  }),
  option('', 'image-opts source-image-opts', null, 'sources are lists of key=value options', (request) => {
    request.imageOptions = true;
  }),
  option('ls', 'snapshot source-snapshot', 'SNAPSHOT', 'convert the disk as it was at this snapshot', setSnapshot),
  option('T', 'source-cache', 'CACHE', 'cache mode of the sources (default writeback)', (request, value) => {
    request.sourceCache = value;
  }),
  option('U', 'force-share', null, 'open the sources even if another program is writing to them', (request) => {
    request.share = true;
  }),
  option('', 'salvage', null, 'turn what cannot be read into zeros instead of giving up', (request) => {
    request.salvage = true;
  }),
  option('', 'bitmaps', null, 'copy the persistent bitmaps of the source too', (request) => {
    request.bitmaps = true;
  }),
  option('', 'skip-broken-bitmaps', null, 'leave out bitmaps that are inconsistent', (request) => {
    request.skipBrokenBitmaps = true;
  }),
];

const targetOptions: readonly Option<ConvertArguments>[] = [
  option('O', 'target-format', 'OUTPUT_FMT', 'format of the target (default raw)', (request, value) => {
    request.targetFormat = value;
  }),
  option('', 'target-image-opts', null, 'TARGET is a list of key=value options; needs -n', (request) => {
    request.targetImageOptions = true;
  }),
  option(
    'o',
    'target-format-options target-options',
    'OPTS',
    "options of the target's format; 'help' lists them",
    appendOptions,
  ),
  option('c', 'compress', null, 'compress the target (qcow2, qcow, vmdk)', (request) => {
    request.compress = true;
  }),
  option('t', 'target-cache', 'CACHE', 'cache mode of the target (default unsafe: not flushed)', (request, value) => {
    request.targetCache = value;
  }),
  option('Bb', 'backing', 'FILENAME', 'make the target an overlay of this file', (request, value) => {
    request.backingFile = value;
  }),
  option('F', 'backing-format', 'FMT', 'format of the backing file', (request, value) => {
    request.backingFormat = value;
  }),
  option('n', 'no-create', null, 'the target exists: write into it', (request) => {
    request.noCreate = true;
  }),
  option('', 'target-is-zero', null, 'the existing target reads as zeros: do not write any', (request) => {
    request.targetIsZero = true;
  }),
];

const copyOptions: readonly Option<ConvertArguments>[] = [
  option('S', 'sparse-size', 'SIZE', 'zeros of this length become holes (default 4k); 0: write all of them', setSparse),
  option('m', 'parallel', 'N', 'units in flight, 1 to 16 (default 8)', (request, value) => {
    request.parallel = integerArgument('number of coroutines', value, 1, MOST_PARALLEL);
  }),
  option('W', 'oob-writes', null, 'write in any order; the result is the same', (request) => {
    request.outOfOrder = true;
  }),
  option('C', 'copy-range-offloading', null, 'let the storage copy by itself where it can', (request) => {
    request.copyOffload = true;
  }),
  option('r', 'rate-limit rate', 'RATE', 'bytes written a second', (request, value) => {
    request.rate = sizeArgument('rate limit', value);
  }),
  ...progressOptions<ConvertArguments>(),
  objectOption(),
  externalOption(),
  ...unpackOptions<ConvertArguments>(),
  reproducibleOption(),
];

const options = [helpOption<ConvertArguments>(), ...sourceOptions, ...targetOptions, ...copyOptions];

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: ConvertArguments = {
    ...CONVERT_DEFAULTS,
    help: false,
    progress: false,
    quiet: false,
    identity: environmentIdentity(),
  };
  const names = parseInto(request, options, args);
  checkConvertRequest(request);
  const target = names.length > 1 ? names.pop()! : null;
  if (request.options !== null && asksForHelp(request.options)) {
    print(createOptionsHelp(platform, request.targetFormat ?? 'raw', target));
    return 0;
  }
  if (target === null) throw new ImageError('invalid', 'Must specify image file name');
  const onWarning = (message: string) => {
    if (!request.quiet) printWarning(message);
  };
  await runLong(request, ({ signal, start, update }) =>
    convertImages(
      platform,
      {
        ...request,
        sources: names,
        target,
        signal,
        countsData: request.progress && !process.stdout.isTTY,
        events: printedEvents,
      },
      { onStart: start, onProgress: update, onWarning },
    ),
  );
  return 0;
}

export const convert: Verb = {
  name: 'convert',
  summary: 'Copies images, one or several end to end, into another one of any format.',
  operands: 'SOURCE [SOURCE...] TARGET',
  options,
  notes: ownOptionsHelp,
  run,
};
