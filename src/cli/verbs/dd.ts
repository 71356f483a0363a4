/** `dd` on the command line: its operands are `name=value`, as those of dd(1). */
import { copyBlocks } from '../../commands/dd.js';
import type { Platform } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import type { IdentityWishes } from '../../image/identity.js';
import { helpOption, type Option, option, parseInto, sizeBetween } from '../options.js';
import { printError } from '../program.js';
import { environmentIdentity, type ReadingRequest, readingOptions, reproducibleOption } from './common.js';
import type { Verb } from './verb.js';

interface DdArguments extends ReadingRequest {
  identity: IdentityWishes | undefined;
  targetFormat: string;
}

interface Operands {
  source: string | null;
  target: string | null;
  blockSize: number;
  count: number | null;
  skip: number;
}

const options: readonly Option<DdArguments>[] = [
  helpOption(),
  ...readingOptions<DdArguments>(),
  option('O', 'output-format', 'OUTPUT_FMT', 'format of the new image (default raw)', (request, value) => {
    request.targetFormat = value;
  }),
  reproducibleOption(),
];

const LARGEST_BLOCK = 2 ** 31 - 1;

const SETTERS: { [name: string]: (operands: Operands, value: string) => void } = {
  bs: (operands, value) => {
    operands.blockSize = sizeBetween('bs', value, 1, LARGEST_BLOCK);
  },
  count: (operands, value) => {
    operands.count = sizeBetween('count', value, 0);
  },
  if: (operands, value) => {
    operands.source = value;
  },
  of: (operands, value) => {
    operands.target = value;
  },
  skip: (operands, value) => {
    operands.skip = sizeBetween('skip', value, 0);
  },
};

function readOperands(args: readonly string[]): Operands {
  const operands: Operands = { source: null, target: null, blockSize: 512, count: null, skip: 0 };
  for (const arg of args) {
    const [name] = arg.split('=', 1);
    const set = SETTERS[name!];
    if (!arg.includes('=')) throw new ImageError('invalid', `unrecognized operand ${arg}`);
    if (set === undefined) throw new ImageError('invalid', `unrecognized operand ${name}`);
    set(operands, arg.slice(name!.length + 1));
  }
  return operands;
}

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: DdArguments = {
    help: false,
    format: null,
    imageOptions: false,
    share: false,
    allowExternal: false,
    targetFormat: 'raw',
    identity: environmentIdentity(),
  };
  const { source, target, ...blocks } = readOperands(parseInto(request, options, args));
  if (source === null || target === null) throw new ImageError('invalid', 'Must specify both input and output files');
  const { imageOptions, format } = request;
  const name = { name: source, imageOptions, format };
  await copyBlocks(platform, { ...request, ...blocks, source: name, target, onWarning: printError });
  return 0;
}

export const dd: Verb = {
  name: 'dd',
  summary: 'Copies a part of a disk to a new image.',
  operands: '[bs=BYTES] [count=BLOCKS] [skip=BLOCKS] if=INPUT of=OUTPUT',
  options,
  run,
};
