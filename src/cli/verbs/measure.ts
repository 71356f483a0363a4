/** `measure` on the command line. */
import { prettyJson } from '../../commands/json.js';
import { measureImage } from '../../commands/measure.js';
import type { Platform } from '../../commands/platform.js';
import type { SnapshotChoice } from '../../commands/snapshots.js';
import { ImageError } from '../../errors.js';
import type { Measurement } from '../../image/measure.js';
import { helpOption, type Option, type OutputFormat, option, parseInto, wholeSizeArgument } from '../options.js';
import { print } from '../output.js';
import { printError, printWarning } from '../program.js';
import { appendOptions, outputOption, type ReadingRequest, readingOptions, snapshotArgument } from './common.js';
import type { Verb } from './verb.js';

interface MeasureArguments extends ReadingRequest {
  targetFormat: string;
  options: string | null;
  snapshot: SnapshotChoice | null;
  size: bigint | null;
  output: OutputFormat;
}

const options: readonly Option<MeasureArguments>[] = [
  helpOption(),
  ...readingOptions<MeasureArguments>(),
  option('O', 'target-format', 'OUTPUT_FMT', 'format of the new image (default raw)', (request, value) => {
    request.targetFormat = value;
  }),
  option('o', 'options', 'OPTS', 'options of the new image, key=value,...', appendOptions),
  option('l', 'snapshot', 'SNAPSHOT', 'measure the disk as it was at this snapshot', (request, value) => {
    request.snapshot = snapshotArgument(value);
  }),
  option(
    's',
    'size',
    'SIZE',
    'measure an image of this size instead of one with the content of FILENAME',
    (request, value) => {
      request.size = wholeSizeArgument('image size', value);
    },
  ),
  outputOption(),
];

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: MeasureArguments = {
    help: false,
    format: null,
    imageOptions: false,
    share: false,
    allowExternal: false,
    targetFormat: 'raw',
    options: null,
    snapshot: null,
    size: null,
    output: 'human',
  };
  const [name, ...more] = parseInto(request, options, args);
  const { size, imageOptions, format, snapshot, share } = request;
  if (more.length > 0) throw new ImageError('invalid', 'At most one filename argument is allowed.');
  if (name === undefined && (imageOptions || format !== null || snapshot !== null))
    throw new ImageError('invalid', '--image-opts, -f, and -l require a filename argument.');
  if (name !== undefined && size !== null)
    throw new ImageError('invalid', '--size N cannot be used together with a filename.');
  if (name === undefined && size === null)
    throw new ImageError('invalid', 'Either --size N or one filename must be specified.');
  const source = name === undefined ? { size: size! } : { name, imageOptions, format, snapshot, share };
  const measurement = await measureImage(platform, { ...request, source, onWarning: printWarning }).catch((error) => {
    if (error instanceof ImageError && error.message.startsWith('Invalid options') && error.cause instanceof ImageError)
      printError(error.cause.message);
    throw error;
  });
  print(request.output === 'json' ? measureJson(measurement) : measureText(measurement));
  return 0;
}

function measureText({ required, fullyAllocated, bitmaps }: Measurement): string {
  const lines = `required size: ${required}\nfully allocated size: ${fullyAllocated}\n`;
  return bitmaps === null ? lines : `${lines}bitmaps size: ${bitmaps}\n`;
}

function measureJson({ required, fullyAllocated, bitmaps }: Measurement): string {
  const object = { required, 'fully-allocated': fullyAllocated, ...(bitmaps === null ? {} : { bitmaps }) };
  return `${prettyJson(object)}\n`;
}

export const measure: Verb = {
  name: 'measure',
  summary: 'Tells how much space a new image would take: of a size, or with the content of FILENAME.',
  operands: '[--size SIZE | FILENAME]',
  options,
  run,
};
