/**
 * diskloom in the browser: `import { convert } from 'diskloom/web'`.
 *
 * The engine runs in a dedicated worker of its own for each conversion, the kernels in a pool of further workers; the
 * page's thread only hears of progress. A page need not be cross-origin isolated; one that is saves some copying.
 *
 * ```ts
 * import { convert, download, Workspace } from 'diskloom/web';
 *
 * const workspace = await Workspace.open();
 * const target = await workspace.createFile();
 * const stop = new AbortController();
 * await convert(input.files[0], target, {
 *   format: 'qcow2',
 *   compress: true,
 *   signal: stop.signal,
 *   onProgress: ({ done, total }) => (bar.value = done / total),
 * });
 * download(await target.getFile(), 'disk.qcow2');
 * ```
 *
 * @module
 */
import * as Comlink from 'comlink';
import { ImageError, throwIfAborted } from '../../errors.js';
import type { OptionValues } from '../../image/options.js';
import type { ConvertProgress, ConvertReport, ConvertRequest, EngineApi, Reply } from './protocol.js';

export { type ErrorCode, ImageError } from '../../errors.js';
export type { OptionValues } from '../../image/options.js';
export { download } from './download.js';
export type { ConvertProgress, ConvertReport } from './protocol.js';
export { Workspace } from './workspace.js';

export interface ConvertOptions {
  /** The target's format: `raw` or `qcow2`. */
  format: string;
  /** The source's format; default: found out from its content. */
  sourceFormat?: string;
  /** What messages call the source; default: a File's own name. */
  sourceName?: string;
  /** What messages call the target; default: the handle's own name. */
  targetName?: string;
  /** What the image refers to (backing files, data files), found by the last part of the name that it has for them. */
  references?: readonly File[];
  /** Compress the target's clusters, where the format can. */
  compress?: boolean;
  /** Create options of the target's format by `qemu-img`'s names: `{ cluster_size: 65536 }`. */
  options?: OptionValues;
  /** Runs in flight, 1 to 16; default 8. The result is the same for any number. */
  parallel?: number;
  /** Kernel workers at most; default: one a processor. 0: the engine's worker does all by itself. */
  workers?: number;
  /** Cancels the conversion, which then throws `aborted`. */
  signal?: AbortSignal;
  /** Told some twenty times a second. */
  onProgress?: (progress: ConvertProgress) => void;
}

/**
 * Converts the disk image in `source` and writes it to `target`.
 *
 * `target` is a file of OPFS (fast; then offer it with `download`) or one that the user chose, by
 * `showSaveFilePicker` (slower, and finalising takes seconds a gigabyte, but it needs no room in OPFS). What it held is
 * lost once the source has been opened: if the conversion then fails or is cancelled, a file of OPFS is removed and a
 * chosen one is left as it was.
 *
 * Throws `ImageError`: `invalid` for options that make no sense, `corrupt` and `unsupported` for the image, `not-found`
 * for a file that it refers to and that was not given, `no-space` when the quota or the disk is full, `io` when the
 * source was changed or removed meanwhile, `aborted`.
 */
export async function convert(
  source: Blob,
  target: FileSystemFileHandle,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const { signal, onProgress } = options;
  throwIfAborted(signal);
  const worker = new Worker(new URL('./engine-worker.ts', import.meta.url), {
    type: 'module',
    name: 'diskloom engine',
  });
  const engine = Comlink.wrap<EngineApi>(worker);
  const cancel = () => void engine.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    const request = requestOf(source, target, options);
    const report = Comlink.proxy((progress: ConvertProgress) => onProgress?.(progress));
    const reply: Reply<ConvertReport> = await Promise.race([engine.convert(request, report), deathOf(worker)]);
    if ('error' in reply) throw ImageError.fromPlain(reply.error);
    return reply.ok;
  } finally {
    signal?.removeEventListener('abort', cancel);
    worker.terminate();
  }
}

function requestOf(source: Blob, target: FileSystemFileHandle, options: ConvertOptions): ConvertRequest {
  const { format, sourceFormat, compress, parallel, workers } = options;
  const name = options.sourceName ?? (source instanceof File ? source.name : 'blob');
  const others = (options.references ?? []).map((file) => ({ name: file.name, blob: file }));
  return {
    source: name,
    files: [...others, { name, blob: source }],
    sourceFormat: sourceFormat ?? null,
    target,
    targetName: options.targetName ?? target.name,
    format,
    compress: compress ?? false,
    options: options.options ?? {},
    parallel: parallel ?? 8,
    workers,
  };
}

/** Rejects when the worker cannot be loaded or throws outside of a call. */
function deathOf(worker: Worker): Promise<never> {
  return new Promise((_, reject) => {
    worker.addEventListener('error', (event) => {
      const reason = event.message || 'it could not be loaded';
      reject(new ImageError('io', `The engine worker has died: ${reason}`));
    });
  });
}
