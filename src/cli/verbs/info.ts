/** `info` on the command line. */
import { imageInfo } from '../../commands/info.js';
import type { Platform } from '../../commands/platform.js';
import { UsageError } from '../getopt.js';
import { infoJson } from '../info-json.js';
import { infoText } from '../info-text.js';
import { helpOption, type Option, type OutputFormat, option, parseInto } from '../options.js';
import { print } from '../output.js';
import { printWarning } from '../program.js';
import { outputOption, type ReadingRequest, readingOptions } from './common.js';
import type { Verb } from './verb.js';

interface InfoArguments extends ReadingRequest {
  backingChain: boolean;
  output: OutputFormat;
}

const options: readonly Option<InfoArguments>[] = [
  helpOption(),
  ...readingOptions<InfoArguments>(),
  option('b', 'backing-chain', null, 'also tell of the backing files', (request) => {
    request.backingChain = true;
  }),
  outputOption(),
];

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: InfoArguments = {
    help: false,
    format: null,
    imageOptions: false,
    share: false,
    allowExternal: false,
    backingChain: false,
    output: 'human',
  };
  const [name, ...more] = parseInto(request, options, args);
  if (name === undefined || more.length > 0) throw new UsageError('Expecting one image file name');
  const infos = await imageInfo(platform, { ...request, onWarning: printWarning, name });
  print(request.output === 'json' ? infoJson(infos, request.backingChain) : infoText(infos));
  return 0;
}

export const info: Verb = {
  name: 'info',
  summary: 'Tells what an image is: format, sizes, snapshots, backing file.',
  operands: 'FILENAME',
  options,
  run,
};
