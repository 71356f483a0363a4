/** `bitmap` on the command line. */
import { type BitmapAction, changeBitmap } from '../../commands/bitmap.js';
import type { Platform } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import { type HelpRequest, helpOption, type Option, option, parseInto, sizeArgument } from '../options.js';
import { printedEvents, printWarning } from '../program.js';
import { externalOption, objectOption } from './common.js';
import type { Verb } from './verb.js';

interface BitmapArguments extends HelpRequest {
  format: string | null;
  imageOptions: boolean;
  actions: BitmapAction[];
  granularity: number;
  sourceFile: string | null;
  sourceFormat: string | null;
  allowExternal: boolean;
}

function action(name: 'add' | 'remove' | 'clear' | 'enable' | 'disable', help: string): Option<BitmapArguments> {
  return option('', name, null, help, (request) => {
    request.actions.push({ do: name });
  });
}

const options: readonly Option<BitmapArguments>[] = [
  helpOption(),
  option('f', 'format', 'FMT', 'format of the image; probed unless given', (request, value) => {
    request.format = value;
  }),
  option('', 'image-opts', null, 'FILENAME is a list of key=value options instead of a file name', (request) => {
    request.imageOptions = true;
  }),
  action('add', 'make a new BITMAP that records writes'),
  option('g', 'granularity', 'SIZE', 'bytes of the disk that a bit of a new BITMAP stands for', (request, value) => {
    request.granularity = sizeArgument('granularity', value);
  }),
  action('remove', 'remove BITMAP'),
  action('clear', 'unmark everything in BITMAP'),
  action('enable', 'begin to record writes in BITMAP'),
  action('disable', 'record no more writes in BITMAP'),
  option('', 'merge', 'SOURCE', 'also mark in BITMAP what the bitmap SOURCE marks', (request, value) => {
    request.actions.push({ do: 'merge', source: value });
  }),
  option('b', 'source-file', 'FILENAME', 'the image that has SOURCE, if it is another one', (request, value) => {
    request.sourceFile = value;
  }),
  option('F', 'source-format', 'FMT', 'format of that image; probed unless given', (request, value) => {
    request.sourceFormat = value;
  }),
  objectOption(),
  externalOption(),
];

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: BitmapArguments = {
    help: false,
    format: null,
    imageOptions: false,
    actions: [],
    granularity: 0,
    sourceFile: null,
    sourceFormat: null,
    allowExternal: false,
  };
  const operands = parseInto(request, options, args);
  checkTogether(request);
  const [name, bitmap, ...more] = operands;
  if (name === undefined || bitmap === undefined || more.length > 0)
    throw new ImageError('invalid', 'Expecting filename and bitmap name');
  const { sourceFile, sourceFormat } = request;
  await changeBitmap(platform, {
    ...request,
    name,
    bitmap,
    // An unsigned number of 32 bits, as QEMU passes it on; 0: not given.
    granularity: request.granularity === 0 ? null : request.granularity % 2 ** 32,
    source: sourceFile === null ? null : { name: sourceFile, format: sourceFormat },
    onWarning: printWarning,
    events: printedEvents,
  });
  return 0;
}

function checkTogether({ actions, granularity, sourceFile, sourceFormat }: BitmapArguments): void {
  const has = (name: BitmapAction['do']) => actions.some((each) => each.do === name);
  const refuse = (message: string) => {
    throw new ImageError('invalid', message);
  };
  if (actions.length === 0) refuse('Need at least one of --add, --remove, --clear, --enable, --disable, or --merge');
  if (granularity !== 0 && !has('add')) refuse('granularity only supported with --add');
  if (sourceFormat !== null && sourceFile === null) refuse('-F only supported with -b');
  if (sourceFile !== null && !has('merge')) refuse('Merge bitmap source file only supported with --merge');
}

export const bitmap: Verb = {
  name: 'bitmap',
  summary: 'Changes the persistent dirty bitmap BITMAP of an image, step by step in the order of the options.',
  operands: 'FILENAME BITMAP',
  options,
  run,
};
