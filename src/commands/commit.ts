/** `commit`: writes what an image changes into a file of its backing chain, and empties the image. */
import { roundUp } from '../bytes.js';
import { convertImage } from '../convert/convert.js';
import { ImageError } from '../errors.js';
import { LostBitmaps } from '../image/bitmap-edit.js';
import { ChangesImage, UnchangedImage } from '../image/changes.js';
import { ConcatImage } from '../image/concat.js';
import type { EditableImage, Image } from '../image/image.js';
import { SliceImage } from '../image/slice.js';
import { cacheMode } from './cache-modes.js';
import { findBackingFile } from './chain-search.js';
import { chainOf, type GraphNode, type ImageNode, nodeName } from './graph.js';
import { type EditTarget, ImageOpener } from './open.js';
import type { CacheMode, Platform } from './platform.js';
import { resizeTarget } from './resize.js';
import type { ImageName, Trust } from './settings.js';

export interface CommitRequest extends ImageName, Trust {
  /** Cache mode of both images, as the user spells it. */
  cache: string;
  /** Name of the image in the chain that takes the changes; null: the backing file. */
  base: string | null;
  /** Leave the image as it is. One whose changes go further down than to its backing file always stays. */
  keep: boolean;
  /** Bytes a second; 0: no limit. */
  rate: number;
  signal?: AbortSignal | undefined;
}

/** Runs of the pipeline that are in flight. */
const PARALLEL = 8;
/** Shortest stretch of zeros in bytes that is not stored. */
const SPARSE = 4096;

/** Throws `ImageError`; the disk's content is what it was then, as the image still holds its changes. */
export async function commitImage(
  platform: Platform,
  request: CommitRequest,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const cache = cacheMode('cache option', request.cache);
  await ImageOpener.use(platform, request, async (opener) => {
    const { signal } = request;
    const top = await opener.edit(request, { cache, compress: false, keepAllocated: false, shareChain: true, signal });
    const base = await findBase(opener, top.node, request);
    const target = await editBase(opener, base, cache, signal);
    await fitSize(opener, target, top.editor.size);
    const layers = chainOf(top.node).indexOf(base);
    // The base as it is being changed, not as the chain has opened it.
    const bottom = await opener.disk(target.node);
    const changes = new ChangesImage(await opener.layersAbove(base, top.node, bottom), layers);
    const options = {
      parallel: PARALLEL,
      outOfOrder: false,
      sparse: SPARSE,
      targetBacking: { size: Number.POSITIVE_INFINITY },
      rate: request.rate > 0 ? request.rate : null,
      signal,
      onProgress,
    };
    const rest = restOfUnit(bottom, changes.size, target.editor);
    const source = rest === null ? changes : new ConcatImage([changes, rest]);
    await convertImage(source, target.editor, platform.kernels, options).catch((error) => {
      throw error instanceof LostBitmaps ? notClosed(request, error) : failed('Block job failed', error);
    });
    if (request.keep || request.base !== null) return;
    await top.editor.empty?.().catch((error) => {
      throw failed(`Failed to empty ${nodeName(top.node)}`, error);
    });
  });
}

/** A unit is written as a whole: behind the end of a shorter disk it keeps what it holds. */
function restOfUnit(bottom: Image, end: number, { unit, size, unordered }: EditableImage): Image | null {
  const length = Math.min(size, roundUp(end, unit)) - end;
  return length <= 0 || unordered ? null : new UnchangedImage(new SliceImage(bottom, end, length));
}

/** The disk has its changes, but bitmaps are lost: QEMU tells it at each of its two attempts. */
function notClosed({ events }: CommitRequest, { message }: LostBitmaps): ImageError {
  events?.onTrouble(message);
  events?.onTrouble(message);
  return new ImageError('io', 'Error while closing the image: Invalid argument');
}

/** `what`, and the reason at the bottom of it. */
function failed(what: string, error: unknown): unknown {
  if (!(error instanceof ImageError) || error.code === 'aborted') return error;
  let reason = error;
  while (reason.cause instanceof ImageError) reason = reason.cause;
  return new ImageError(error.code, `${what}: ${reason.message}`, { cause: error });
}

async function findBase(opener: ImageOpener, top: ImageNode, { name, base }: CommitRequest): Promise<GraphNode> {
  if (base === null) {
    if (top.backing === null) throw new ImageError('invalid', 'Image does not have a backing file');
    return top.backing;
  }
  const found = await findBackingFile(opener.platform, top, base);
  if (found === null) throw new ImageError('not-found', `Did not find '${base}' in the backing chain of '${name}'`);
  return found;
}

/** The chain reads from the same file, which is why it is open without a lock. */
function editBase(
  opener: ImageOpener,
  base: GraphNode,
  cache: CacheMode,
  signal: AbortSignal | undefined,
): Promise<EditTarget> {
  const format = base.kind === 'image' ? base.driver.name : 'raw';
  const name = {
    name: nodeName(base),
    imageOptions: false,
    format: nodeName(base).startsWith('json:') ? null : format,
  };
  const guessed = base.kind === 'image' && base.probed;
  return opener.edit(name, { cache, compress: false, keepAllocated: false, guessed, signal });
}

async function fitSize(opener: ImageOpener, target: EditTarget, size: number): Promise<void> {
  if (target.editor.size >= size) return;
  await resizeTarget(opener, target, size, 'off').catch((error) => {
    throw error instanceof ImageError ? error.prefixed(`Could not resize '${nodeName(target.node)}': `) : error;
  });
}
