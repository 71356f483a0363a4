/** `rebase` on the command line. */
import type { Platform } from '../../commands/platform.js';
import { rebaseImage } from '../../commands/rebase.js';
import { UsageError } from '../getopt.js';
import { runLong } from '../long-work.js';
import { helpOption, type Option, option, parseInto } from '../options.js';
import { printedEvents, printWarning } from '../program.js';
import { externalOption, objectOption, type ProgressRequest, progressOptions } from './common.js';
import type { Verb } from './verb.js';

interface RebaseArguments extends ProgressRequest {
  format: string | null;
  imageOptions: boolean;
  backingFile: string | null;
  backingFormat: string | null;
  unsafe: boolean;
  cache: string;
  sourceCache: string;
  share: boolean;
  compress: boolean;
  allowExternal: boolean;
}

const options: readonly Option<RebaseArguments>[] = [
  helpOption(),
  ...progressOptions<RebaseArguments>(),
  option('f', 'format', 'FMT', 'format of the image; probed unless given', (request, value) => {
    request.format = value;
  }),
  option('', 'image-opts', null, 'FILENAME is a list of key=value options instead of a file name', (request) => {
    request.imageOptions = true;
  }),
  option('b', 'backing', 'FILENAME', "the new backing file; '' for none", (request, value) => {
    request.backingFile = value;
  }),
  option('F', 'backing-format', 'FMT', 'format of the new backing file', (request, value) => {
    request.backingFormat = value;
  }),
  option('u', 'backing-unsafe', null, 'change the name only, look at no backing file', (request) => {
    request.unsafe = true;
  }),
  option('c', 'compress', null, 'compress what is copied into the image', (request) => {
    request.compress = true;
  }),
  option('t', 'cache', 'CACHE', 'cache mode of the image (default writeback)', (request, value) => {
    request.cache = value;
  }),
  option('T', 'backing-cache', 'CACHE', 'cache mode of the backing files (default writeback)', (request, value) => {
    request.sourceCache = value;
  }),
  option('U', 'force-share', null, 'open the new backing file even if another program is writing to it', (request) => {
    request.share = true;
  }),
  objectOption(),
  externalOption(),
];

/** Points of a hundred between two outputs of -p. */
const STEP = 2;

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: RebaseArguments = {
    help: false,
    progress: false,
    quiet: false,
    format: null,
    imageOptions: false,
    backingFile: null,
    backingFormat: null,
    unsafe: false,
    cache: 'writeback',
    sourceCache: 'writeback',
    share: false,
    compress: false,
    allowExternal: false,
  };
  const [name, ...more] = parseInto(request, options, args);
  if (name === undefined || more.length > 0) throw new UsageError('Expecting one image file name');
  if (!request.unsafe && request.backingFile === null)
    throw new UsageError('Must specify backing file (-b) or use unsafe mode (-u)');
  await runLong(
    request,
    ({ signal, start, update }) => {
      start();
      return rebaseImage(
        platform,
        { ...request, name, signal, onWarning: printWarning, events: printedEvents },
        update,
      );
    },
    STEP,
  );
  return 0;
}

export const rebase: Verb = {
  name: 'rebase',
  summary:
    "Gives an image another backing file; what it does not show is copied into the image, unless -u says 'don't'.",
  operands: 'FILENAME',
  options,
  run,
};
