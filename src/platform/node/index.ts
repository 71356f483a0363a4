/**
 * diskloom in Node: `import { convert } from 'diskloom'`.
 *
 * ```ts
 * import { convert, imageInfo, readImage } from 'diskloom';
 *
 * await convert('disk.vmdk', 'disk.qcow2', {
 *   format: 'qcow2',
 *   compress: true,
 *   onProgress: (done, total) => console.log(`${Math.floor((100 * done) / total)} %`),
 * });
 * ```
 *
 * Names are those of the command line: paths, `nbd://` URLs, `json:` names.
 *
 * @module
 */
import { CONVERT_DEFAULTS, convert as convertImages } from '../../commands/convert.js';
import { optionText } from '../../commands/create-options.js';
import { imageInfo as describeChain, type NodeInfo } from '../../commands/info.js';
import { ImageOpener } from '../../commands/open.js';
import type { ConvertReport } from '../../convert/convert.js';
import type { Secrets } from '../../image/encryption.js';
import type { IdentityWishes } from '../../image/identity.js';
import type { Image } from '../../image/image.js';
import type { OptionValues } from '../../image/options.js';
import { createNodeKernels } from './kernels.js';
import { nodePlatform } from './platform.js';

export type { NodeInfo } from '../../commands/info.js';
export type { ConvertReport } from '../../convert/convert.js';
export { type ErrorCode, ImageError } from '../../errors.js';
export type { IdentityWishes } from '../../image/identity.js';
export type { BackingReference, Extent, Image, ImageDetails, SnapshotInfo } from '../../image/image.js';
export type { OptionValues } from '../../image/options.js';

export interface ConvertOptions {
  /** The target's format: `raw` or `qcow2`; default `raw`. */
  format?: string;
  /** The format of all sources; default: found out from their content. */
  sourceFormat?: string;
  /** Convert the disk as it was at this internal snapshot, by ID or name. */
  snapshot?: string;
  /** Compress the target's clusters, where the format can. */
  compress?: boolean;
  /** Create options of the target's format by `qemu-img`'s names: `{ cluster_size: 65536 }`. */
  options?: OptionValues;
  /** Make the target an overlay of this image: only what differs from it by layer is copied. */
  backing?: { file: string; format: string };
  /** Runs of zeros of this many bytes become holes; default 4096, 0: everything is written. */
  sparse?: number;
  /** Runs in flight, 1 to 16; default 8. The result is the same for any number. */
  parallel?: number;
  /** Write in any order; the result is the same. */
  outOfOrder?: boolean;
  /** Kernel threads at most; default: one a processor. 0: all work is done on the calling thread. */
  workers?: number;
  /** Open files that the sources refer to outside of their directories, too. */
  allowExternal?: boolean;
  /** Passphrases of encrypted images by the ids that `key-secret` options name, as texts. */
  secrets?: { readonly [id: string]: string };
  /** UUIDs and times of the target: the same for the same size and options, or a given time. Default: fresh. */
  identity?: IdentityWishes;
  /** Cancels the conversion, which then throws `aborted`. */
  signal?: AbortSignal;
  /** Guest bytes done, of the disk's size; ascending. */
  onProgress?: (done: number, total: number) => void;
  onWarning?: (message: string) => void;
}

/**
 * Converts one image, or several laid end to end, into `target`, which is created or overwritten.
 *
 * If it fails or is cancelled, a target that it created is removed, one that it overwrote is empty. Throws `ImageError`.
 */
export async function convert(
  source: string | readonly string[],
  target: string,
  options: ConvertOptions = {},
): Promise<ConvertReport> {
  const { snapshot, backing, sparse, onProgress, onWarning, workers } = options;
  const kernels = createNodeKernels(workers === undefined ? {} : { workers });
  const request = {
    ...CONVERT_DEFAULTS,
    sources: typeof source === 'string' ? [source] : source,
    target,
    targetFormat: options.format ?? null,
    sourceFormat: options.sourceFormat ?? null,
    snapshot: snapshot === undefined ? null : { idOrName: snapshot },
    compress: options.compress ?? false,
    options: optionText(options.options ?? {}),
    backingFile: backing?.file ?? null,
    backingFormat: backing?.format ?? null,
    sparse: sparse ?? null,
    parallel: options.parallel ?? CONVERT_DEFAULTS.parallel,
    outOfOrder: options.outOfOrder ?? false,
    allowExternal: options.allowExternal ?? false,
    secrets: secretBytes(options.secrets),
    identity: options.identity,
    signal: options.signal,
  };
  const events = { ...(onProgress && { onProgress }), ...(onWarning && { onWarning }) };
  try {
    return await convertImages({ ...nodePlatform, kernels }, request, events);
  } finally {
    await kernels.close();
  }
}

export interface OpenOptions {
  /** Default: found out from the content. */
  format?: string;
  /** Open although another program may be writing to it. */
  share?: boolean;
  /** Open files that the image refers to outside of its directory, too. */
  allowExternal?: boolean;
  /** Passphrases of encrypted images by the ids that `key-secret` options name, as texts. */
  secrets?: { readonly [id: string]: string };
}

function secretBytes(secrets: OpenOptions['secrets'] = {}): Secrets {
  const encoder = new TextEncoder();
  return new Map(Object.entries(secrets).map(([id, text]) => [id, encoder.encode(text)]));
}

/** What an image says of itself, and what its backing files say, the image first. Throws `ImageError`. */
export function imageInfo(name: string, options: OpenOptions = {}): Promise<NodeInfo[]> {
  const { format = null, share = false, allowExternal = false } = options;
  return describeChain(nodePlatform, { name, format, imageOptions: false, share, allowExternal, backingChain: true });
}

/**
 * Opens an image with its backing files, hands its disk to `use` and closes everything when that has ended.
 *
 * ```ts
 * const bootSector = await readImage('disk.qcow2', async (disk) => {
 *   const bytes = new Uint8Array(512);
 *   await disk.read(0, bytes);
 *   return bytes;
 * });
 * ```
 */
export async function readImage<T>(
  name: string,
  use: (disk: Image) => Promise<T>,
  options: OpenOptions = {},
): Promise<T> {
  const { format = null, share = false, allowExternal = false } = options;
  const kernels = createNodeKernels();
  const settings = { cache: 'writeback', share, chain: true, content: true } as const;
  const trust = { allowExternal, secrets: secretBytes(options.secrets) };
  try {
    return await ImageOpener.use({ ...nodePlatform, kernels }, trust, async (opener) => {
      const node = await opener.open({ name, format, imageOptions: false }, settings);
      return use(await opener.disk(node));
    });
  } finally {
    await kernels.close();
  }
}
