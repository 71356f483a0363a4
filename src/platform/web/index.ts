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
import type { OptionValues } from '../../image/options.js';
import type { Survey } from '../../image/survey.js';
import { HEAD_LENGTH, packingOf } from '../../unpack/packing.js';
import type { RemoteFile } from '../net/http/remote-file.js';
import { type Hold, prepareEngine, runInEngine } from './engine-client.js';
import type {
  Content,
  ConvertProgress,
  ConvertReport,
  FormatInfo,
  Inspection,
  OnStep,
  SourceRequest,
  TargetPlace,
  Verification,
} from './protocol.js';

export type { NodeInfo } from '../../commands/info.js';
export { type ErrorCode, ImageError, type PlainError } from '../../errors.js';
export type { SnapshotInfo } from '../../image/image.js';
export type { OptionRow, OptionTable, OptionValues } from '../../image/options.js';
export type { Partition, PartitionTable } from '../../image/partitions/partitions.js';
export type { Survey } from '../../image/survey.js';
export type { RemoteFile } from '../net/http/remote-file.js';
export { download } from './download.js';
export { Hold } from './engine-client.js';
export type {
  ConvertProgress,
  ConvertReport,
  FormatInfo,
  Inspection,
  TargetPlace,
  Verification,
  WrittenFile,
} from './protocol.js';
export { type SaveOptions, saveInto } from './save-into.js';
export { Workspace } from './workspace.js';

/** How the source is to be understood. */
export interface SourceOptions {
  /** The source's format; default: found out from its content. */
  sourceFormat?: string | undefined;
  /** What messages call the source; default: a File's own name. */
  sourceName?: string | undefined;
  /** How the source is to be opened, by `qemu-img`'s names: `{ 'encrypt.key-secret': 'old' }`; needs `sourceFormat`. */
  sourceOptions?: OptionValues | undefined;
  /** What the image refers to (backing files, data files), found by the last part of the name that it has for them. */
  references?: readonly (File | RemoteFile)[] | undefined;
  /** The disk as it was at this internal snapshot, by id or name. */
  snapshot?: string | undefined;
  /** Passphrases of encrypted images by the ids that `key-secret` options name, as texts. */
  secrets?: { readonly [id: string]: string } | undefined;
  /** Ends the work, which then throws `aborted`. */
  signal?: AbortSignal | undefined;
}

export interface ConvertOptions extends SourceOptions {
  /** The target's format: one of `formats()` that is written. */
  format: string;
  /** What messages call the target, and in a folder its file's name; default: the handle's own name. */
  targetName?: string;
  /** Compress the target's clusters, where the format can. */
  compress?: boolean;
  /** Create options of the target's format by `qemu-img`'s names: `{ cluster_size: 65536 }`. */
  options?: OptionValues;
  /**
   * Bytes of zeros that the new disk has behind the old one, a multiple of 512: some clouds take disks of whole MiB or GiB
   * only. Not for the disk as it was at a snapshot.
   */
  padding?: number;
  /** UUIDs and times follow from the request, so that the same conversion makes the same file; default: fresh ones. */
  reproducible?: boolean;
  /** Runs in flight, 1 to 16; default 8. The result is the same for any number. */
  parallel?: number;
  /** Kernel workers at most; default: one a processor. 0: the engine's worker does all by itself. */
  workers?: number;
  /** Pauses the conversion while it is held. */
  hold?: Hold;
  /** Told some five times a second. */
  onProgress?: (progress: ConvertProgress) => void;
}

/**
 * Converts the disk image in `source`, a Blob or what `openRemote` returned, and writes it to `target`.
 *
 * `target` is a file of OPFS (fast; then offer it with `download`) or one that the user chose, by
 * `showSaveFilePicker` (slower, and finalising takes seconds a gigabyte, but it needs no room in OPFS). What it held is
 * lost once the source has been opened: if the conversion then fails or is cancelled, a file of OPFS is removed and a
 * chosen one is left as it was.
 *
 * An image of several files (a flat or split VMDK) needs a folder of OPFS as its target. They lie in it under the names
 * that they know each other by, which follow from `targetName`; the report lists them, `saveInto` hands them over.
 *
 * Throws `ImageError`: `invalid` for options that make no sense, `corrupt` and `unsupported` for the image, `not-found`
 * for a file that it refers to and that was not given, `no-space` when the quota or the disk is full, `io` when the
 * source was changed or removed meanwhile, `disconnected` when its server is gone, `aborted`.
 */
export function convert(source: Content, target: TargetPlace, options: ConvertOptions): Promise<ConvertReport> {
  const { format, onProgress } = options;
  const request = {
    source: sourceRequest(source, options),
    target,
    targetName: options.targetName ?? target.name,
    format,
    compress: options.compress ?? false,
    options: options.options ?? {},
    padding: options.padding ?? 0,
    reproducible: options.reproducible ?? false,
    parallel: options.parallel ?? 8,
    workers: options.workers,
  };
  const report = Comlink.proxy((progress: ConvertProgress) => onProgress?.(progress));
  return runInEngine((engine) => engine.convert(request, report), { ...options, takesPrepared: true });
}

/**
 * Starts the workers that the next `convert` will need, for a page that sees one coming: it then begins some tenths of a
 * second earlier. They wait, and take up memory, until then.
 */
export function prepare(): void {
  prepareEngine();
}

/**
 * A file on a web server, as a source or reference of the functions here, which read the parts of it that they need.
 *
 * Its server has to allow range requests, and pages of other origins to read it (CORS); only `GET` and `HEAD` are sent,
 * without cookies. Throws `ImageError`: `invalid`, `not-found`, `denied` where the browser lets nothing through,
 * `disconnected`, `unsupported` for a server that sends no parts.
 */
export function openRemote(address: string, options: { signal?: AbortSignal } = {}): Promise<RemoteFile> {
  return runInEngine((engine) => engine.openRemote(address), options);
}

/** All formats that are read or written, with their create options. */
export function formats(): Promise<FormatInfo[]> {
  return runInEngine(async (engine) => ({ ok: await engine.formats() }));
}

/**
 * What an image says of itself, from its headers alone. Throws what opening it throws; what is wrong with its backing
 * files is in the result.
 */
export function inspect(source: Content, options: SourceOptions = {}): Promise<Inspection> {
  const request = sourceRequest(source, options);
  return runInEngine((engine) => engine.inspect(request), options);
}

export interface SurveyOptions extends SourceOptions {
  /** Into how many cells of equal size the disk is cut. */
  cells: number;
  /** Told of the same survey again and again, more of it known each time. */
  onSurvey: (survey: Survey) => void;
}

/** Where the disk has data and where zeros, as far as the format knows it. */
export async function survey(source: Content, options: SurveyOptions): Promise<void> {
  const request = sourceRequest(source, options);
  const report = Comlink.proxy(options.onSurvey);
  await runInEngine((engine) => engine.survey(request, options.cells, report), options);
}

export interface VerifyOptions extends SourceOptions {
  /** The format of the finished image. */
  format: string;
  /** How it is to be opened, as `sourceOptions`. */
  options?: OptionValues;
  /** Guest bytes that were looked at, of all. */
  onProgress?: OnStep;
}

/**
 * Reads a finished image back: is it, byte for byte, the disk that `source` holds? Also hashes that disk. An image of
 * several files is given by all of them, the one to be opened first.
 */
export function verify(
  source: Content,
  target: File | readonly [File, ...File[]],
  options: VerifyOptions,
): Promise<Verification> {
  const { format: sourceFormat, options: sourceOptions, secrets, onProgress } = options;
  const [image, ...references] = target instanceof File ? [target] : target;
  const request = {
    source: sourceRequest(source, options),
    target: sourceRequest(image, { sourceFormat, sourceOptions, secrets, references }),
  };
  const report = Comlink.proxy((done: number, total: number) => onProgress?.(done, total));
  return runInEngine((engine) => engine.verify(request, report), options);
}

/** What a file is compressed with, by what it begins with; null: it is not. Throws what reading it throws. */
export async function compressionOf(file: Blob): Promise<string | null> {
  const head = new Uint8Array(await file.slice(0, HEAD_LENGTH).arrayBuffer());
  const packing = packingOf(head);
  return packing === 'tar' ? null : packing;
}

export interface UnpackOptions {
  /** Compressed bytes that are done, of all. */
  onProgress?: OnStep;
  signal?: AbortSignal | undefined;
}

/**
 * Unpacks a file that is compressed by gzip, xz, zstd or bzip2 into `target`, an empty file of OPFS: an image can only be
 * looked at and converted where it can be read anywhere. Throws `ImageError`: `corrupt`, `no-space`, `aborted`; the target
 * is removed then.
 */
export async function unpack(source: File, target: FileSystemFileHandle, options: UnpackOptions = {}): Promise<void> {
  const { onProgress } = options;
  const report = Comlink.proxy((done: number, total: number) => onProgress?.(done, total));
  const request = { name: source.name, content: source, target };
  await runInEngine((engine) => engine.unpack(request, report), options);
}

function sourceRequest(source: Content, options: SourceOptions): SourceRequest {
  const name = options.sourceName ?? ('name' in source ? source.name : 'blob');
  const others = (options.references ?? []).map((file) => ({ name: file.name, content: file }));
  return {
    name,
    files: [...others, { name, content: source }],
    format: options.sourceFormat ?? null,
    options: options.sourceOptions ?? {},
    secrets: options.secrets ?? {},
    snapshot: options.snapshot ?? null,
  };
}
