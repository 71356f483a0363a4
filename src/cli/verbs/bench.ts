/** `bench` on the command line. */
import { type BenchLoad, benchImage } from '../../commands/bench.js';
import { cacheMode, isCacheMode } from '../../commands/cache-modes.js';
import type { Platform } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import { UsageError } from '../getopt.js';
import { helpOption, integerArgument, type Option, option, parseInto, sizeBetween } from '../options.js';
import { print } from '../output.js';
import { printWarning } from '../program.js';
import { type ReadingRequest, readingOptions } from './common.js';
import type { Verb } from './verb.js';

interface BenchArguments extends ReadingRequest, Omit<BenchLoad, 'pattern' | 'step'> {
  cache: string;
  /** The system's own asynchronous requests, which QEMU has only past the page cache. */
  native: boolean;
  writes: boolean;
  pattern: number;
  /** 0: `size`. */
  step: number;
}

const ENGINES = ['threads', 'native', 'io_uring'];
const LARGEST = 2 ** 31 - 1;

const options: readonly Option<BenchArguments>[] = [
  helpOption(),
  ...readingOptions<BenchArguments>(),
  option('q', 'quiet', null, 'print nothing but errors and the result (nothing else is printed anyway)', () => {}),
  option('t', 'cache', 'CACHE', 'cache mode of the image (default writeback)', (request, value) => {
    if (!isCacheMode(value)) throw new ImageError('invalid', 'Invalid cache mode');
    request.cache = value;
  }),
  option('c', 'count', 'COUNT', 'how many requests (default 75000)', (request, value) => {
    request.count = integerArgument('request count', value, 1, LARGEST);
  }),
  option('d', 'depth', 'DEPTH', 'how many of them at once (default 64)', (request, value) => {
    request.depth = integerArgument('queue depth', value, 1, LARGEST);
  }),
  option('o', 'offset', 'OFFSET', 'where the first one begins (default 0)', (request, value) => {
    request.offset = sizeBetween('offset', value, 0);
  }),
  option('s', 'buffer-size', 'SIZE', 'bytes of each (default 4096)', (request, value) => {
    request.size = sizeBetween('buffer size', value, 1, LARGEST);
  }),
  option('S', 'step-size', 'STEP', 'bytes from one to the next (default: SIZE)', (request, value) => {
    request.step = sizeBetween('step size', value, 0, LARGEST);
  }),
  option(
    'i',
    'aio',
    ENGINES.join('|'),
    "accepted and checked; the requests are Node's in any case",
    (request, value) => {
      if (!ENGINES.includes(value)) throw new ImageError('invalid', `Invalid aio option: ${value}`);
      request.native = value === 'native';
    },
  ),
  option('n', 'native', null, 'the same as -i native', (request) => {
    request.native = true;
  }),
  option('w', 'write', null, 'write instead of reading: what the disk held is lost', (request) => {
    request.writes = true;
  }),
  option('', 'pattern', 'BYTE', 'write this byte (default 0)', (request, value) => {
    request.pattern = integerArgument('pattern byte', value, 0, 255);
  }),
  option('', 'flush-interval', 'COUNT', 'flush after so many writes', (request, value) => {
    request.flushInterval = integerArgument('flush interval', value, 0, LARGEST);
  }),
  option('', 'no-drain', null, 'flush while other requests are under way', (request) => {
    request.drains = false;
  }),
];

function defaults(): BenchArguments {
  return {
    help: false,
    format: null,
    imageOptions: false,
    share: false,
    allowExternal: false,
    cache: 'writeback',
    native: false,
    count: 75000,
    depth: 64,
    offset: 0,
    size: 4096,
    step: 0,
    writes: false,
    pattern: 0,
    flushInterval: 0,
    drains: true,
  };
}

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request = defaults();
  const [name, ...more] = parseInto(request, options, args);
  if (name === undefined || more.length > 0) throw new UsageError('Expecting one image file name');
  const { count, depth, offset, size, writes, flushInterval } = request;
  if (flushInterval > 0 && !writes)
    throw new ImageError('invalid', '--flush-interval is only available in write tests');
  if (flushInterval > 0 && flushInterval < depth)
    throw new ImageError('invalid', "Flush interval can't be smaller than depth");
  const cache = cacheMode('cache mode', request.cache);
  if (request.native && cache !== 'none' && cache !== 'directsync') {
    const reason = 'aio=native was specified, but it requires cache.direct=on, which was not specified.';
    throw new ImageError('invalid', `Could not open '${name}': ${reason}`);
  }
  const step = request.step || size;
  const load = { ...request, name, step, pattern: writes ? request.pattern : null, onWarning: printWarning };
  const seconds = await benchImage(platform, load, () => {
    const kind = writes ? 'write' : 'read';
    print(
      `Sending ${count} ${kind} requests, ${size} bytes each, ${depth} in parallel ` +
        `(starting at offset ${offset}, step size ${step})\n`,
    );
    if (flushInterval > 0) print(`Sending flush every ${flushInterval} requests\n`);
  });
  print(`Run completed in ${seconds.toFixed(3)} seconds.\n`);
  return 0;
}

export const bench: Verb = {
  name: 'bench',
  summary: 'Measures how fast an image answers requests.',
  operands: 'FILENAME',
  options,
  run,
};
