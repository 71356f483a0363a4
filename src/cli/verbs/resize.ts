/** `resize` on the command line. */
import { parseRelativeSize } from '../../commands/blockdev.js';
import type { Platform } from '../../commands/platform.js';
import { resizeImage } from '../../commands/resize.js';
import { ImageError } from '../../errors.js';
import type { GrowthPreallocation } from '../../image/image.js';
import { UsageError } from '../getopt.js';
import { type HelpRequest, helpOption, type Option, option, parseInto } from '../options.js';
import { print } from '../output.js';
import { printError, printedEvents, printWarning } from '../program.js';
import { externalOption, objectOption } from './common.js';
import type { Verb } from './verb.js';

interface ResizeArguments extends HelpRequest {
  format: string | null;
  imageOptions: boolean;
  quiet: boolean;
  shrink: boolean;
  preallocation: GrowthPreallocation;
  allowExternal: boolean;
}

const MODES: readonly string[] = ['off', 'metadata', 'falloc', 'full'] satisfies GrowthPreallocation[];

const options: readonly Option<ResizeArguments>[] = [
  helpOption(),
  option('q', 'quiet', null, 'print nothing but errors', (request) => {
    request.quiet = true;
  }),
  option('f', 'format', 'FMT', 'format of the image; probed unless given', (request, value) => {
    request.format = value;
  }),
  option('', 'image-opts', null, 'FILENAME is a list of key=value options instead of a file name', (request) => {
    request.imageOptions = true;
  }),
  option('', 'shrink', null, 'the disk may become smaller; what it held behind its new end is lost', (request) => {
    request.shrink = true;
  }),
  option(
    '',
    'preallocation',
    'off|metadata|falloc|full',
    'what the new part of the disk gets of the storage (default off)',
    (request, value) => {
      if (!MODES.includes(value)) throw new ImageError('invalid', `Invalid preallocation mode '${value}'`);
      request.preallocation = value as GrowthPreallocation;
    },
  ),
  objectOption(),
  externalOption(),
];

/** A size like -1k behind the file name is no option. */
function isNegativeSize(arg: string, operands: readonly string[]): boolean {
  return operands.length === 1 && /^-[0-9]/.test(arg);
}

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: ResizeArguments = {
    help: false,
    format: null,
    imageOptions: false,
    quiet: false,
    shrink: false,
    preallocation: 'off',
    allowExternal: false,
  };
  const [name, sizeText, ...more] = parseInto(request, options, args, isNegativeSize);
  if (more.length > 0) throw new UsageError('Extra argument(s) in command line');
  if (name === undefined || sizeText === undefined) throw new UsageError('Expecting image file name and size');
  const change = parseRelativeSize('size', sizeText);
  const result = await resizeImage(platform, {
    ...request,
    ...change,
    name,
    onWarning: printWarning,
    events: printedEvents,
  });
  if (result === 'resized') {
    if (!request.quiet) print('Image resized.\n');
    return 0;
  }
  printError('Use the --shrink option to perform a shrink operation.');
  printWarning(
    "Shrinking an image will delete all data beyond the shrunken image's end. Before performing such an operation, " +
      'make sure there is no important data there.',
  );
  return 1;
}

export const resize: Verb = {
  name: 'resize',
  summary: 'Makes the disk of an image larger or smaller. SIZE may have a suffix: k, M, G, T, P or E (powers of 1024).',
  operands: 'FILENAME [+|-]SIZE',
  options,
  run,
};
