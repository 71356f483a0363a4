/**
 * From what the user names to an opened image chain.
 *
 * A name may be a path, a URL of some protocol, a `json:` name or, with `--image-opts`, a list of options; all of them
 * describe a graph of nodes (graph.ts). The format is probed unless it is given. Backing files are opened by the same
 * rules, named by the images instead of the user, and so under the policy of policy.ts.
 */
import { ImageError } from '../errors.js';
import { findDriver } from '../formats/index.js';
import type { DriverContext } from '../image/driver.js';
import type { Image } from '../image/image.js';
import { BlockdevOptions } from './blockdev.js';
import { resolveReference } from './file-names.js';
import type { GraphNode } from './graph.js';
import { refusesSharing } from './node-options.js';
import type { Access, CacheMode, OpenStorage, Platform, Protocol } from './platform.js';
import { ProtocolTable } from './protocols/index.js';
import type { EditSettings, ImageName, OpenSettings, Trust } from './settings.js';
import { StorageOpener } from './storage-opener.js';
import { type EditTarget, editorOf, type Frame, TreeOpener } from './tree-opener.js';

export type { EditTarget } from './tree-opener.js';

/** Opens images for one run of a command, and closes all that it opened. */
export class ImageOpener {
  readonly #protocols: ProtocolTable;
  readonly #storages: StorageOpener;
  readonly #tree: TreeOpener;

  constructor(
    readonly platform: Platform,
    trust: Trust,
  ) {
    this.#protocols = new ProtocolTable(platform.protocols);
    this.#storages = new StorageOpener(platform, trust.allowExternal);
    this.#tree = new TreeOpener(platform, this.#protocols, this.#storages, trust);
  }

  /** Opens images for `work` and closes them after it; if it fails, what it created is taken back. */
  static async use<T>(platform: Platform, trust: Trust, work: (opener: ImageOpener) => Promise<T>): Promise<T> {
    const opener = new ImageOpener(platform, trust);
    let result: T;
    try {
      result = await work(opener);
    } catch (error) {
      opener.#storages.discard();
      await opener.#storages.close().catch(() => {});
      throw error;
    }
    await opener.#storages.close();
    return result;
  }

  /** Opens what the user named, for reading. Throws `Could not open 'NAME': …`. */
  open(what: ImageName, settings: OpenSettings): Promise<GraphNode> {
    const frame = { settings, byUser: true, isStorage: false, above: [], edit: null, unpacks: true };
    return this.#openNamed(what, frame);
  }

  /** Opens what an image named, for reading. */
  follow(what: ImageName, settings: OpenSettings): Promise<GraphNode> {
    return this.#openNamed(what, { settings, byUser: false, isStorage: false, above: [], edit: null });
  }

  /** Opens what the user named, for writing. */
  async edit(what: ImageName, edit: EditSettings): Promise<EditTarget> {
    const { cache, signal, chain = true } = edit;
    const settings = { cache, share: false, chain, content: true, signal };
    const node = await this.#openNamed(what, { settings, byUser: true, isStorage: false, above: [], edit });
    if (node.kind === 'image') return { node, editor: editorOf(node) };
    return this.#tree.editRaw(node, edit);
  }

  /** Opens what the user named to be checked, and with `repairs` to be repaired. */
  check(
    what: ImageName,
    { cache, share }: Pick<OpenSettings, 'cache' | 'share'>,
    repairs: boolean,
  ): Promise<GraphNode> {
    const settings = { cache, share, chain: true, content: false, check: true };
    const edit = repairs ? { cache, compress: false, keepAllocated: false } : null;
    const frame = { settings, byUser: true, isStorage: false, above: [], edit, unpacks: !repairs };
    return this.#openNamed(what, frame);
  }

  /** Opens a backing file that the user named (-B, create -b), relative to the image that is going to have it. */
  async openBacking(
    overlay: string,
    reference: string,
    format: string | null,
    settings: OpenSettings,
  ): Promise<GraphNode> {
    const name = resolveReference(overlay, reference);
    const options = new BlockdevOptions(format === null ? [] : [['driver', format]]);
    return this.#tree.open(name, options, { settings, byUser: true, isStorage: false, above: [], edit: null });
  }

  /** Makes new storage, or empties existing storage. */
  async create(name: string, access: Access): Promise<OpenStorage> {
    return this.#storages.open(this.protocolOf(name), name, access, true);
  }

  /** The protocol that can create a file of this name. Throws `Unknown protocol 'x'`, `unsupported`. */
  protocolOf(name: string): Protocol {
    return this.#protocols.protocolOf(name);
  }

  /** There is a format, a protocol or a filter of that name. */
  knowsDriver(name: string): boolean {
    return findDriver(name) !== undefined || this.#protocols.find(name) !== undefined;
  }

  /** The disk of this node alone; storage without a format is a raw disk. */
  layer(node: GraphNode): Promise<Image> {
    return this.#tree.layer(node);
  }

  /** The disk that a guest would see: `layer`, or the node's own, over its backing chain. */
  disk(node: GraphNode, layer?: Image): Promise<Image> {
    return this.#tree.disk(node, layer);
  }

  /** The layers from `node` down to the one over `base`, a node of its chain: as a disk of their own, or over `bottom`. */
  layersAbove(base: GraphNode, node: GraphNode, bottom?: Image): Promise<Image> {
    return this.#tree.layersAbove(base, node, bottom);
  }

  /** The same for each name that one image has (`x`, `./x`, a link to it): its format and the real path. */
  identityOf(node: GraphNode): Promise<string> {
    return this.#tree.identityOf(node);
  }

  /** What a driver may ask for while it opens or creates an image of the user's. */
  driverContext(cache: CacheMode, signal?: AbortSignal): DriverContext {
    return this.#tree.ownContext(cache, signal);
  }

  async #openNamed({ name, imageOptions, format }: ImageName, frame: Frame): Promise<GraphNode> {
    if (imageOptions && format !== null)
      throw new ImageError('invalid', '--image-opts and --format are mutually exclusive');
    const options = imageOptions ? BlockdevOptions.fromText(name) : new BlockdevOptions();
    if (format !== null) options.setDefault('driver', format);
    if (imageOptions && frame.settings.share && refusesSharing(options))
      throw new ImageError('invalid', '--force-share/-U conflicts with image options');
    try {
      return await this.#tree.open(imageOptions ? null : name, options, frame);
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed(`Could not open '${name}': `) : error;
    }
  }
}
