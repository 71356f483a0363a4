/** `map` on the command line. */
import { mapImage } from '../../commands/map.js';
import type { Platform } from '../../commands/platform.js';
import { UsageError } from '../getopt.js';
import { MapJson, MapTable } from '../map-text.js';
import { helpOption, type Option, type OutputFormat, option, parseInto, sizeArgument } from '../options.js';
import { print, printPiece } from '../output.js';
import { printWarning } from '../program.js';
import { outputOption, type ReadingRequest, readingOptions } from './common.js';
import type { Verb } from './verb.js';

interface MapArguments extends ReadingRequest {
  startOffset: number;
  maxLength: number | null;
  output: OutputFormat;
}

const options: readonly Option<MapArguments>[] = [
  helpOption(),
  ...readingOptions<MapArguments>(),
  option('s', 'start-offset', 'OFFSET', 'begin at this byte', (request, value) => {
    request.startOffset = sizeArgument('start offset', value);
  }),
  option('l', 'max-length', 'LENGTH', 'tell of so many bytes at most', (request, value) => {
    request.maxLength = sizeArgument('max length', value);
  }),
  outputOption(),
];

/** Output is gathered up to so many characters before it is printed. */
const BATCH = 64 * 1024;

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: MapArguments = {
    help: false,
    format: null,
    imageOptions: false,
    share: false,
    allowExternal: false,
    startOffset: 0,
    maxLength: null,
    output: 'human',
  };
  const [name, ...more] = parseInto(request, options, args);
  if (name === undefined || more.length > 0) throw new UsageError('Expecting one image file name');
  const printer = request.output === 'json' ? new MapJson() : new MapTable();
  let text = '';
  try {
    await mapImage(
      platform,
      { ...request, onWarning: printWarning, name },
      {
        onOpen: () => {
          text += printer.begin();
        },
        onEntry: (entry) => {
          text += printer.entry(entry);
          if (text.length < BATCH) return true;
          const piece = text;
          text = '';
          return printPiece(piece);
        },
      },
    );
    text += printer.end();
  } finally {
    print(text);
  }
  return 0;
}

export const map: Verb = {
  name: 'map',
  summary: 'Tells which ranges of the disk hold data, and where in which file.',
  operands: 'FILENAME',
  options,
  run,
};
