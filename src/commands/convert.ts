/**
 * `convert`: one or several images into a new or existing one.
 *
 * The checks come in `qemu-img`'s order, so that a command line with several faults gets the same answer. Two are better
 * here: an unknown target cache mode is found before the target is touched, and a refused --target-is-zero is an error.
 */
import { roundUp } from '../bytes.js';
import { type ConvertReport, convertImage } from '../convert/convert.js';
import { ImageError } from '../errors.js';
import { ConcatImage, SECTOR } from '../image/concat.js';
import type { IdentityWishes } from '../image/identity.js';
import type { EditableImage, Image, ImageWriter } from '../image/image.js';
import { SliceImage } from '../image/slice.js';
import { BlankWriter } from '../image/writer-filter.js';
import { type BitmapCopy, BitmapWriter, chooseBitmaps } from './bitmaps.js';
import { cacheMode } from './cache-modes.js';
import { copyOffload } from './copy-offload.js';
import { type OptionChoice, parseCreateOptions } from './create-options.js';
import { chainOf, contentsOf, type GraphNode, type ImageNode, storageOf } from './graph.js';
import { ImageOpener } from './open.js';
import type { CacheMode, OpenStorage, Platform } from './platform.js';
import { SalvageReport } from './salvaging.js';
import type { OpenSettings, Trust } from './settings.js';
import { loadSnapshot, type SnapshotChoice } from './snapshots.js';
import { addBackingOptions, type Creation, findCreation, startImage } from './target.js';

export interface ConvertRequest extends Trust {
  /** One at least; end to end if there are more. */
  sources: readonly string[];
  /** Format of all sources (-f); null: to be probed. */
  sourceFormat: string | null;
  /** Sources are lists of options (--image-opts). */
  imageOptions: boolean;
  /** Convert the disk as it was then (-l). */
  snapshot: SnapshotChoice | null;
  sourceCache: string;
  share: boolean;
  target: string;
  /** -O; null: raw, or what the target's options say. */
  targetFormat: string | null;
  targetImageOptions: boolean;
  /** Create options (-o), joined by commas. */
  options: string | null;
  targetCache: string;
  compress: boolean;
  backingFile: string | null;
  backingFormat: string | null;
  /** The target exists (-n). */
  noCreate: boolean;
  targetIsZero: boolean;
  /** Shortest run of zeros in bytes that is not written (-S), 0: everything is written; null: 4 KiB. */
  sparse: number | null;
  parallel: number;
  outOfOrder: boolean;
  copyOffload: boolean;
  /** Bytes a second; 0: no limit. */
  rate: number;
  salvage: boolean;
  bitmaps: boolean;
  skipBrokenBitmaps: boolean;
  /** Progress as in `ConvertOptions.countsData`. */
  countsData?: boolean;
  /** UUIDs and times of a new target. */
  identity?: IdentityWishes | undefined;
  signal?: AbortSignal | undefined;
}

/** A request that asks for nothing: `qemu-img convert` without options. */
export const CONVERT_DEFAULTS: Omit<ConvertRequest, 'sources' | 'target'> = {
  sourceFormat: null,
  imageOptions: false,
  snapshot: null,
  sourceCache: 'writeback',
  share: false,
  targetFormat: null,
  targetImageOptions: false,
  options: null,
  targetCache: 'unsafe',
  compress: false,
  backingFile: null,
  backingFormat: null,
  noCreate: false,
  targetIsZero: false,
  sparse: null,
  parallel: 8,
  outOfOrder: false,
  copyOffload: false,
  rate: 0,
  salvage: false,
  bitmaps: false,
  skipBrokenBitmaps: false,
  allowExternal: false,
};

export interface ConvertEvents extends Pick<Trust, 'onWarning'> {
  /** The command line is right, work begins. */
  onStart?(): void;
  /** Bytes done, of all. */
  onProgress?(done: number, total: number): void;
}

const DEFAULT_SPARSE = 4096;

/** The checks that need to open nothing. Throws `invalid`. */
export function checkConvertRequest(request: Omit<ConvertRequest, 'sources' | 'target'>): void {
  const { noCreate } = request;
  const refusals: [boolean, string][] = [
    [request.skipBrokenBitmaps && !request.bitmaps, 'Use of --skip-broken-bitmaps requires --bitmaps'],
    [request.compress && request.copyOffload, 'Cannot enable copy offloading when -c is used'],
    [request.sparse !== null && request.copyOffload, 'Cannot enable copy offloading when -S is used'],
    [request.copyOffload && request.salvage, 'Cannot use copy offloading in salvaging mode'],
    [request.targetImageOptions && !noCreate, '--target-image-opts requires use of -n flag'],
    [noCreate && request.options !== null, '-o has no effect when skipping image creation'],
    [noCreate && request.identity?.reproducible === true, '--reproducible has no effect when skipping image creation'],
    [request.targetIsZero && !noCreate, '--target-is-zero requires use of -n flag'],
  ];
  for (const [refused, message] of refusals) if (refused) throw new ImageError('invalid', message);
}

/** Converts; on failure what this call has created is removed. */
export function convert(
  platform: Platform,
  request: ConvertRequest,
  events: ConvertEvents = {},
): Promise<ConvertReport> {
  checkConvertRequest(request);
  const cache = cacheMode('source cache option', request.sourceCache);
  events.onStart?.();
  return ImageOpener.use(platform, { ...request, onWarning: events.onWarning }, (opener) =>
    new Conversion(opener, request, events).run(cache),
  );
}

/** What is filled. */
interface Target {
  writer: ImageWriter;
  storage: OpenStorage;
  /** The backing file's disk in bytes, infinite if unknown; null: there is none. */
  backing: { size: number } | null;
  format: string;
  /** The disk's bytes lie in the storage one after the other. */
  plain: boolean;
  /** What an existing target holds behind the source's end, up to the end of a unit; null: nothing. */
  rest: Image | null;
}

/** How a new target is to be made; null where it exists. */
interface TargetPlan {
  creation: Creation;
  values: OptionChoice;
}

class Conversion {
  /** With --salvage, what could not be read. */
  readonly #losses: SalvageReport | null;

  constructor(
    private readonly opener: ImageOpener,
    private readonly request: ConvertRequest,
    private readonly events: ConvertEvents,
  ) {
    this.#losses = request.salvage ? new SalvageReport((message) => events.onWarning?.(message)) : null;
  }

  async run(sourceCache: CacheMode): Promise<ConvertReport> {
    const { request } = this;
    const nodes = await this.#openSources(sourceCache);
    const source = await this.#sourceDisk(nodes);
    const plan = request.noCreate ? null : this.#planTarget(source.size);
    this.#checkPlan(plan);
    const warn = (message: string) => this.events.onWarning?.(message);
    const bitmaps = request.bitmaps ? chooseBitmaps(nodes, request.skipBrokenBitmaps, warn) : null;
    const cache = cacheMode('cache option', request.targetCache);
    const target = await (plan === null
      ? this.#openTarget(source.size, cache)
      : this.#createTarget(plan, source.size, cache));
    const { rest } = target;
    return this.#copy(rest === null ? source : new ConcatImage([source, rest]), nodes, withBitmaps(target, bitmaps));
  }

  async #openSources(cache: CacheMode): Promise<GraphNode[]> {
    const { sources, sourceFormat: format, imageOptions, share, signal } = this.request;
    const settings: OpenSettings = { cache, share, chain: true, content: true, signal };
    const nodes: GraphNode[] = [];
    for (const name of sources) nodes.push(await this.opener.open({ name, imageOptions, format }, settings));
    return nodes;
  }

  /** One disk of whole sectors. */
  async #sourceDisk(nodes: readonly GraphNode[]): Promise<Image> {
    const { snapshot } = this.request;
    if (snapshot !== null && 'idOrName' in snapshot && nodes.length > 1)
      throw new ImageError('unsupported', 'No support for concatenating multiple snapshot');
    const disks: Image[] = [];
    for (const node of nodes) {
      const layer = snapshot !== null && node === nodes[0] ? await loadSnapshot(node, snapshot) : undefined;
      const disk = await this.opener.disk(node, layer);
      disks.push(this.#losses?.watch(disk) ?? disk);
    }
    const [only] = disks;
    return disks.length === 1 && only!.size % SECTOR === 0 ? only! : new ConcatImage(disks);
  }

  #planTarget(size: number): TargetPlan {
    const { target, targetFormat, options, backingFile, backingFormat } = this.request;
    const creation = findCreation(this.opener, targetFormat ?? 'raw', target);
    const values = options === null ? {} : parseCreateOptions(options, creation.table);
    values.size = size;
    addBackingOptions(values, creation, backingFile, backingFormat);
    return { creation, values };
  }

  #checkPlan(plan: TargetPlan | null): void {
    const { request } = this;
    const values = plan?.values ?? {};
    const hasBacking = values.backing_file !== undefined || request.backingFile !== null;
    const { encryption, 'encrypt.format': encryptFormat, preallocation = 'off' } = values;
    const compresses = plan?.creation.driver.compresses ?? true;
    const refusals: [boolean, string][] = [
      [request.targetIsZero && hasBacking, 'Cannot use --target-is-zero when the destination image has a backing file'],
      [
        request.sources.length > 1 && hasBacking,
        'Having a backing file for the target makes no sense when concatenating multiple input images',
      ],
      [
        values.backing_file !== undefined && values.backing_fmt === undefined,
        'Use of backing file requires explicit backing format',
      ],
      [request.compress && !compresses, 'Compression not supported for this file format'],
      [
        request.compress && (encryption === true || encryptFormat !== undefined),
        'Compression and encryption not supported at the same time',
      ],
      [request.compress && preallocation !== 'off', 'Compression and preallocation not supported at the same time'],
    ];
    for (const [refused, message] of refusals) if (refused) throw new ImageError('unsupported', message);
  }

  async #createTarget({ creation, values }: TargetPlan, size: number, cache: CacheMode): Promise<Target> {
    const { target: fileName, compress, identity, signal } = this.request;
    const format = creation.driver.name;
    const backingSize = await this.#backingSize(values, cache);
    const keepAllocated = this.#sparse === 0;
    const image = { fileName, size, values, backingSize, compress, cache, keepAllocated, identity, signal };
    try {
      const { writer, storage } = await startImage(this.opener, creation, image);
      const backing = backingSize === null ? null : { size: backingSize };
      return { writer, storage, backing, format, plain: format === 'raw', rest: null };
    } catch (error) {
      const prefix = `${fileName}: error while converting ${format}: `;
      throw error instanceof ImageError && error.code !== 'aborted' ? error.prefixed(prefix) : error;
    }
  }

  /** The size of the new image's backing file, which must be there. */
  async #backingSize(
    { backing_file: name, backing_fmt: format }: OptionChoice,
    cache: CacheMode,
  ): Promise<number | null> {
    if (name === undefined) return null;
    const { target, signal } = this.request;
    const settings: OpenSettings = { cache, share: false, chain: true, content: false, signal };
    try {
      const node = await this.opener.openBacking(target, String(name), String(format), settings);
      return (await this.opener.layer(node)).size;
    } catch (error) {
      const prefix = `Could not open '${target}': Could not open backing file: `;
      throw error instanceof ImageError ? error.prefixed(prefix) : error;
    }
  }

  async #openTarget(size: number, cache: CacheMode): Promise<Target> {
    const { request } = this;
    const { target: name, targetImageOptions: imageOptions, compress, signal } = request;
    const format = imageOptions ? request.targetFormat : (request.targetFormat ?? 'raw');
    const edit = { cache, compress, keepAllocated: this.#sparse === 0, signal };
    const { node, editor } = await this.opener.edit({ name, imageOptions, format }, edit);
    if (compress && !node.driver.compresses)
      throw new ImageError('unsupported', 'Compression not supported for this file format');
    if (editor.size < size) throw new ImageError('invalid', 'output file is smaller than input file');
    return {
      writer: request.targetIsZero ? new BlankWriter(editor) : editor,
      storage: storageOf(node),
      backing: request.backingFile === null ? null : { size: Number.POSITIVE_INFINITY },
      format: node.driver.name,
      plain: node.driver.name === 'raw' && Object.keys(node.strongOptions).length === 0,
      rest: await this.#restOfUnit(node, editor, size),
    };
  }

  /** A unit is written as a whole: what it holds behind the source's end is copied onto itself. */
  async #restOfUnit(node: ImageNode, editor: EditableImage, size: number): Promise<Image | null> {
    const end = Math.min(editor.size, roundUp(size, editor.unit));
    return end === size || editor.unordered ? null : new SliceImage(await this.opener.disk(node), size, end - size);
  }

  get #sparse(): number {
    return this.request.sparse ?? DEFAULT_SPARSE;
  }

  async #copy(source: Image, nodes: readonly GraphNode[], target: Target): Promise<ConvertReport> {
    const { request, events } = this;
    const losses = this.#losses;
    const { writer, storage, backing, plain } = target;
    const chain = chainOf(nodes[0]!);
    const contents = chain.flatMap(contentsOf);
    const offload = request.copyOffload && plain && nodes.length === 1;
    await losses?.survey(source);
    try {
      return await convertImage(source, writer, this.opener.platform.kernels, {
        parallel: request.parallel,
        outOfOrder: request.outOfOrder,
        sparse: this.#sparse,
        targetBacking: backing,
        runSize: Math.max(storage.store.transfer, ...contents.map(({ store }) => store.transfer)),
        salvage: losses === null ? null : (offset, _length, error) => losses.lost(offset, error),
        rate: request.rate > 0 ? request.rate : null,
        copyRange: offload ? copyOffload(source, chain, storage, writer.readsZero) : undefined,
        signal: request.signal,
        // What could not be read is told when the disk's offset passes it.
        countsData: request.countsData === true && losses === null,
        onProgress: (done, total) => {
          losses?.passed(done);
          events.onProgress?.(done, total);
        },
      });
    } finally {
      losses?.passed(Number.POSITIVE_INFINITY);
    }
  }
}

function withBitmaps(target: Target, bitmaps: BitmapCopy | null): Target {
  if (bitmaps === null) return target;
  const { writer, format } = target;
  if (writer.addBitmap === undefined)
    throw new ImageError('unsupported', `Format driver '${format}' does not support bitmaps`);
  return { ...target, writer: new BitmapWriter(writer, bitmaps) };
}
