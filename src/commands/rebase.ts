/**
 * `rebase`: gives an image another backing file.
 *
 * What the image does not hold itself is compared in the old and the new backing file, cluster by cluster; what differs
 * is copied into the image. Then its header names the new one. At every moment the disk's content is what it was. In
 * unsafe mode only the header changes.
 */
import { ImageError } from '../errors.js';
import { BlankImage } from '../image/blank.js';
import type { Image } from '../image/image.js';
import { OverlayImage } from '../image/overlay.js';
import { cacheMode } from './cache-modes.js';
import { findBackingFile } from './chain-search.js';
import { protocolPrefix, resolveReference } from './file-names.js';
import { chainOf, type GraphNode, nodeName } from './graph.js';
import { type EditTarget, ImageOpener } from './open.js';
import type { CacheMode, Platform } from './platform.js';
import { copyDifferences } from './rebase-copy.js';
import type { ImageName, Trust } from './settings.js';

export interface RebaseRequest extends ImageName, Trust {
  /** The new backing file, from the image's directory; null or '': none. */
  backingFile: string | null;
  backingFormat: string | null;
  /** Only change the name: the caller knows that the content fits. */
  unsafe: boolean;
  /** Cache modes of the image and of the backing files, as the user spells them. */
  cache: string;
  sourceCache: string;
  /** Open the new backing file even if somebody else may be writing to it. */
  share: boolean;
  compress: boolean;
  signal?: AbortSignal | undefined;
}

/** Called with the bytes of the disk that are done, of all. */
export type OnRebaseProgress = (done: number, total: number) => void;

/** Throws `ImageError`; the image's content is what it was then. */
export async function rebaseImage(
  platform: Platform,
  request: RebaseRequest,
  onProgress: OnRebaseProgress,
): Promise<void> {
  const cache = cacheMode('cache option', request.cache);
  const sourceCache = cacheMode('source cache option', request.sourceCache);
  await ImageOpener.use(platform, request, async (opener) => {
    const rebase = new Rebase(opener, request);
    await rebase.run(cache, sourceCache, onProgress);
  });
}

class Rebase {
  constructor(
    private readonly opener: ImageOpener,
    private readonly request: RebaseRequest,
  ) {}

  async run(cache: CacheMode, sourceCache: CacheMode, onProgress: OnRebaseProgress): Promise<void> {
    const { opener, request } = this;
    const { unsafe, compress, backingFormat, signal } = request;
    const hidesBacking = !unsafe && (request.backingFile ?? '') !== '';
    const edit = { cache, compress, keepAllocated: false, chain: !unsafe, hidesBacking, signal };
    const target = await opener.edit(request, edit);
    if (compress && !target.node.driver.compresses)
      throw new ImageError('unsupported', 'Compression not supported for this file format');
    if (backingFormat !== null && !opener.knowsDriver(backingFormat))
      throw new ImageError('invalid', `Invalid format name: '${backingFormat}'`);
    if (!unsafe) await this.#keepContent(target, sourceCache, onProgress);
    await this.#changeName(target);
  }

  /** Copies what the new backing file does not show. */
  async #keepContent({ node, editor }: EditTarget, cache: CacheMode, onProgress: OnRebaseProgress): Promise<void> {
    const { opener, request } = this;
    const name = request.backingFile ?? '';
    const known = name === '' ? null : await findBackingFile(opener.platform, node, await this.#fullName(node, name));
    if (known !== null && known === node.backing) return;
    const next = known ?? (name === '' ? null : await this.#openNext(nodeName(node), name, cache));
    const disk = async (of: GraphNode | null): Promise<Image> => {
      const blank = new BlankImage(editor.size);
      return of === null ? blank : new OverlayImage(blank, await opener.disk(of));
    };
    await copyDifferences(opener.platform.kernels, {
      target: editor,
      before: await disk(node.backing),
      sizeBefore: node.backing === null ? 0 : (await opener.layer(node.backing)).size,
      after: await disk(next),
      between: known === null ? null : await this.#between(node.backing!, known),
      compress: request.compress,
      signal: request.signal,
      onProgress,
    });
  }

  /** The name as it means the same from everywhere. */
  async #fullName(node: GraphNode, name: string): Promise<string> {
    try {
      const full = resolveReference(nodeName(node), name);
      return protocolPrefix(full) === null ? await this.opener.platform.realPath(full) : full;
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed('Could not resolve backing filename: ') : error;
    }
  }

  async #openNext(overlay: string, name: string, cache: CacheMode): Promise<GraphNode> {
    const { backingFormat, share, signal } = this.request;
    try {
      return await this.opener.openBacking(overlay, name, backingFormat, {
        cache,
        share,
        chain: true,
        content: true,
        signal,
      });
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed(`Could not open new backing file '${name}': `) : error;
    }
  }

  /** The layers that go away, as far as their status tells what changes. */
  async #between(old: GraphNode, base: GraphNode): Promise<{ layers: Image; size: number }> {
    const chain = chainOf(old);
    const sizes = [];
    for (const node of chain.slice(0, chain.indexOf(base))) sizes.push((await this.opener.layer(node)).size);
    return { layers: await this.opener.layersAbove(base, old), size: Math.min(...sizes) };
  }

  async #changeName({ editor }: EditTarget): Promise<void> {
    const { backingFile, backingFormat: format } = this.request;
    const name = backingFile || null;
    try {
      if (name !== null && format === null) throw new ImageError('invalid', 'backing format must be specified');
      if (editor.setBacking === undefined) throw new ImageError('unsupported', 'Operation not supported');
      await editor.setBacking(name === null ? null : { name, format });
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      const reason = error.code === 'no-space' ? 'No space left in the file header' : error.message;
      throw new ImageError(error.code, `Could not change the backing file to '${backingFile ?? ''}': ${reason}`, {
        cause: error,
      });
    }
    await editor.finish();
  }
}
