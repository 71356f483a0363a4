/** `create` on the command line. */

import { asksForHelp } from '../../commands/blockdev.js';
import { type CreateRequest, createImage } from '../../commands/create.js';
import type { Platform } from '../../commands/platform.js';
import { createOptionsHelp, ownOptionsHelp } from '../create-help.js';
import { UsageError } from '../getopt.js';
import { type HelpRequest, helpOption, type Option, option, parseInto, sizeArgument } from '../options.js';
import { print } from '../output.js';
import { printWarning } from '../program.js';
import { appendOptions, environmentIdentity, externalOption, objectOption, reproducibleOption } from './common.js';
import type { Verb } from './verb.js';

interface CreateArguments extends HelpRequest, Omit<CreateRequest, 'fileName' | 'size'> {
  quiet: boolean;
}

const options: readonly Option<CreateArguments>[] = [
  helpOption(),
  option('q', 'quiet', null, 'print nothing but errors', (request) => {
    request.quiet = true;
  }),
  option('f', 'format', 'OUTPUT_FMT', 'format of the new image (default raw)', (request, value) => {
    request.format = value;
  }),
  option('o', 'options', 'OPTS', "options of the format, key=value,...; 'help' lists them", appendOptions),
  option('b', 'backing', 'FILENAME', 'make an overlay of this backing file', (request, value) => {
    request.backingFile = value;
  }),
  option('F', 'backing-format', 'FMT', 'format of the backing file', (request, value) => {
    request.backingFormat = value;
  }),
  option('u', 'backing-unsafe', null, 'do not look at the backing file', (request) => {
    request.unsafeBacking = true;
  }),
  objectOption(),
  externalOption(),
  reproducibleOption(),
];

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: CreateArguments = {
    help: false,
    quiet: false,
    format: 'raw',
    options: null,
    backingFile: null,
    backingFormat: null,
    unsafeBacking: false,
    allowExternal: false,
    identity: environmentIdentity(),
  };
  const [fileName, sizeText, unexpected] = parseInto(request, options, args);
  if (request.options !== null && asksForHelp(request.options)) {
    print(createOptionsHelp(platform, request.format, fileName ?? null));
    return 0;
  }
  if (fileName === undefined) throw new UsageError('Expecting image file name');
  const size = sizeText === undefined ? null : sizeArgument('image size', sizeText);
  if (unexpected !== undefined) throw new UsageError(`Unexpected argument: ${unexpected}`);
  await createImage(platform, { ...request, onWarning: printWarning, fileName, size }, (line) => {
    if (!request.quiet) print(`${line}\n`);
  });
  return 0;
}

export const create: Verb = {
  name: 'create',
  summary: 'Makes a new, empty image. SIZE may have a suffix: k, M, G, T, P or E (powers of 1024).',
  operands: 'FILENAME [SIZE]',
  options,
  notes: ownOptionsHelp,
  run,
};
