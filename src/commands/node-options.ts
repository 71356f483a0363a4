/** What a node takes from its options (blockdev.ts): what any node has, what its format knows, where its storage is. */
import { ImageError } from '../errors.js';
import type { ImageDriver } from '../image/driver.js';
import type { Json } from '../image/image.js';
import type { OptionValues } from '../image/options.js';
import { type BlockdevOptions, parseNumberOption, parseSizeOption, parseSwitch, type Scalar } from './blockdev.js';
import { type EditSettings, type OpenSettings, sharedForWriting } from './settings.js';

export interface RuntimeOptions {
  /** What the driver is told. */
  runtime: OptionValues;
  /** What makes the image another one, as it was given. */
  strong: { [name: string]: Json };
}

/** `force-share` is set, and not to `on`. */
export function refusesSharing(options: BlockdevOptions): boolean {
  return options.has('force-share') && options.peek('force-share') !== 'on';
}

/** A node named in the options: there are none with names. */
export function noSuchNode(reference: string): ImageError {
  return new ImageError('not-found', `Cannot find device='${reference}' nor node-name='${reference}'`);
}

/** What a protocol is to open: the name, or the options, with the name among them. Throws `invalid`. */
export function addressOf(name: string | null, options: BlockdevOptions): string | ReadonlyMap<string, Scalar> {
  if (name === null) return options.takeRest();
  if (options.size === 0) return name;
  if (options.has('filename'))
    throw new ImageError('invalid', "Can't specify 'file' and 'filename' options at the same time");
  return new Map<string, Scalar>([['filename', name], ...options.takeRest()]);
}

/** Options that any node has. `node-name` names it for nobody, as no other node refers to it. */
export function takeCommonOptions(
  options: BlockdevOptions,
  settings: OpenSettings,
  edit: EditSettings | null,
): OpenSettings {
  options.takeText('node-name');
  takeHints(options);
  const direct = options.takeSwitch('cache.direct');
  const noFlush = options.takeSwitch('cache.no-flush');
  const share = options.takeSwitch('force-share') ?? false;
  const readOnly = options.takeSwitch('read-only');
  if (edit !== null && readOnly) throw new ImageError('denied', 'Block node is read-only');
  if (edit !== null && share) throw sharedForWriting();
  let { cache } = settings;
  if (noFlush === true) cache = 'unsafe';
  else if (direct === true) cache = cache === 'writethrough' ? 'directsync' : 'none';
  return { ...settings, cache, share: settings.share || share };
}

/**
 * What tells QEMU how to treat a running machine's requests, and changes nothing here: zeros give space back, and a node is
 * opened for just what is asked of it.
 */
function takeHints(options: BlockdevOptions): void {
  options.takeSwitch('auto-read-only');
  const discard = options.takeText('discard');
  if (discard !== undefined && !['ignore', 'off', 'unmap', 'on'].includes(discard))
    throw new ImageError('invalid', 'Invalid discard option');
  const zeroes = options.takeText('detect-zeroes');
  if (zeroes !== undefined && !['off', 'on', 'unmap'].includes(zeroes))
    throw new ImageError('invalid', `invalid parameter value: ${zeroes}`);
  if (zeroes === 'unmap' && discard !== 'unmap' && discard !== 'on')
    throw new ImageError(
      'invalid',
      'setting detect-zeroes to unmap is not allowed without setting discard operation to unmap',
    );
}

const PARSERS = {
  size: parseSizeOption,
  number: parseNumberOption,
  bool: parseSwitch,
  text: (_name: string, value: string) => value,
};

/** The format's own options as values; those without a default change what the image is and are kept as they were given. */
export function takeRuntimeOptions(driver: ImageDriver, options: BlockdevOptions): RuntimeOptions {
  const runtime: { [name: string]: string | number | boolean } = {};
  const strong: { [name: string]: Json } = {};
  for (const { name, type, default: tunes } of driver.runtimeOptions ?? []) {
    if (type === 'string') {
      const file = options.takeChild(name);
      const text = file.takeText('filename');
      if (text !== undefined) runtime[name] = text;
      continue;
    }
    const given = options.take(name);
    if (given === undefined || given === null) continue;
    const text = given === true ? 'on' : given === false ? 'off' : String(given);
    runtime[name] = PARSERS[type](name, text);
    if (tunes === undefined) strong[name] = given;
  }
  return { runtime, strong };
}

/** `backing: null`: the image is to be taken without its backing file. */
export function takeNoBacking(options: BlockdevOptions, warn: (message: string) => void): boolean {
  if (options.peek('backing') === '') {
    warn('Use of "backing": "" is deprecated; use "backing": null instead');
  } else if (options.peek('backing') !== null) return false;
  options.take('backing');
  return true;
}
