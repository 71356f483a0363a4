/**
 * From what the user names to an opened image chain.
 *
 * A name may be a path, a URL of some protocol, a `json:` name or, with `--image-opts`, a list of options; all of them
 * describe a graph of nodes (graph.ts). The format is probed unless it is given. Backing files are opened by the same
 * rules, named by the images instead of the user, and so under the policy of policy.ts.
 */
import { ImageError } from '../errors.js';
import { findDriver } from '../formats/index.js';
import type { CheckEvents } from '../image/check.js';
import type { DriverContext, EditRequest, ImageDriver } from '../image/driver.js';
import type { Secrets } from '../image/encryption.js';
import type { EditableImage, Image } from '../image/image.js';
import type { OptionValues } from '../image/options.js';
import { OverlayImage } from '../image/overlay.js';
import { ImageSource } from '../image/source.js';
import type { ByteSource, ByteStore } from '../storage/storage.js';
import { endlessChain, fullBackingName } from './backing-name.js';
import { BlockdevOptions, type Scalar, textValues } from './blockdev.js';
import { protocolPrefix, resolveReference } from './file-names.js';
import {
  formatName,
  type GraphNode,
  type ImageNode,
  nodeName,
  type Reference,
  type StorageNode,
  storageOf,
} from './graph.js';
import {
  addressOf,
  noSuchNode,
  refusesSharing,
  takeCommonOptions,
  takeNoBacking,
  takeRuntimeOptions,
} from './node-options.js';
import { nullProtocol } from './null-protocol.js';
import { unpackedFile } from './packed-files.js';
import type { Access, CacheMode, OpenStorage, Platform, Protocol } from './platform.js';
import { ReferencePolicy } from './policy.js';
import { guessedRaw, probeFormat } from './probe.js';
import type { EditSettings, ImageName, OpenSettings, Trust } from './settings.js';

/** Where in the graph something is opened. */
interface Frame {
  settings: OpenSettings;
  /** The user named it, not an image. */
  byUser: boolean;
  /** Images further up the chain, by name and by identity. */
  above: readonly string[];
  /** How to open it for writing; null: for reading. */
  edit: EditSettings | null;
  /** A packed file is unpacked. */
  unpacks?: boolean;
}

/** What an image calls its files, and what becomes of them. */
interface Naming {
  /** Its own name; null: it has none that others could count from. */
  fileName: string | null;
  opened(reference: Reference): void;
}

/** An image that is open for writing. */
export interface EditTarget {
  node: ImageNode;
  editor: EditableImage;
}

/** Opens images for one run of a command, and closes all that it opened. */
export class ImageOpener {
  readonly #protocols: readonly Protocol[];
  readonly #policy: ReferencePolicy;
  readonly #opened: OpenStorage[] = [];
  /** What unpacked files are kept in. */
  readonly #scratch: ByteStore[] = [];
  readonly #unpack: Trust['unpack'];
  readonly #secrets: Secrets;
  readonly #warn: (message: string) => void;
  readonly #events: CheckEvents | undefined;

  constructor(
    readonly platform: Platform,
    { allowExternal, secrets = new Map(), unpack, onWarning = () => {}, events }: Trust,
  ) {
    this.#unpack = unpack;
    this.#warn = onWarning;
    this.#events = events;
    this.#secrets = secrets;
    this.#protocols = [...platform.protocols, nullProtocol];
    this.#policy = new ReferencePolicy(platform, allowExternal);
  }

  /** Opens images for `work` and closes them after it; if it fails, what it created is taken back. */
  static async use<T>(platform: Platform, trust: Trust, work: (opener: ImageOpener) => Promise<T>): Promise<T> {
    const opener = new ImageOpener(platform, trust);
    let result: T;
    try {
      result = await work(opener);
    } catch (error) {
      opener.discard();
      await opener.close().catch(() => {});
      throw error;
    }
    await opener.close();
    return result;
  }

  /** Opens what the user named, for reading. Throws `Could not open 'NAME': …`. */
  open(what: ImageName, settings: OpenSettings): Promise<GraphNode> {
    return this.#openNamed(what, { settings, byUser: true, above: [], edit: null, unpacks: true });
  }

  /** Opens what an image named, for reading. */
  follow(what: ImageName, settings: OpenSettings): Promise<GraphNode> {
    return this.#openNamed(what, { settings, byUser: false, above: [], edit: null });
  }

  /** Opens what the user named, for writing. */
  async edit(what: ImageName, edit: EditSettings): Promise<EditTarget> {
    const { cache, signal, chain = true } = edit;
    const settings = { cache, share: false, chain, content: true, signal };
    const node = await this.#openNamed(what, { settings, byUser: true, above: [], edit });
    if (node.kind === 'storage') throw new ImageError('unsupported', `Could not open '${what.name}': it has no format`);
    return { node, editor: node.image as EditableImage };
  }

  /** Opens what the user named to be checked, and with `repairs` to be repaired. */
  check(
    what: ImageName,
    { cache, share }: Pick<OpenSettings, 'cache' | 'share'>,
    repairs: boolean,
  ): Promise<GraphNode> {
    const settings = { cache, share, chain: true, content: false, check: true };
    const edit = repairs ? { cache, compress: false, keepAllocated: false } : null;
    return this.#openNamed(what, { settings, byUser: true, above: [], edit, unpacks: !repairs });
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
    return this.#openTree(name, options, { settings, byUser: true, above: [], edit: null });
  }

  /** Makes new storage, or empties existing storage. */
  async create(name: string, access: Access): Promise<OpenStorage> {
    const protocol = this.protocolOf(name);
    await this.#policy.admit(protocol, name);
    return this.#track(await protocol.open(name, access));
  }

  /** The protocol of a file name. Throws `Unknown protocol 'x'`. */
  protocolOf(name: string): Protocol {
    const prefix = protocolPrefix(name);
    if (prefix === null) return this.#protocols[0]!;
    const protocol = this.#protocols.find((each) => each.prefixes.includes(prefix));
    if (protocol === undefined) throw new ImageError('invalid', `Unknown protocol '${prefix}'`);
    return protocol;
  }

  /** There is a format or a protocol of that name. */
  knowsDriver(name: string): boolean {
    return findDriver(name) !== undefined || this.#protocols.some(({ names }) => names.includes(name));
  }

  /** The disk of this node alone; storage without a format is a raw disk. */
  async layer(node: GraphNode): Promise<Image> {
    if (node.kind === 'image') return node.image;
    return findDriver('raw')!.open!(node.storage.store, this.driverContext('writeback'));
  }

  /** The disk that a guest would see: `layer`, or the node's own, over its backing chain. */
  async disk(node: GraphNode, layer?: Image): Promise<Image> {
    const upper = layer ?? (await this.layer(node));
    if (node.kind === 'storage' || node.backing === null) return upper;
    return new OverlayImage(upper, await this.disk(node.backing), await this.#objection(upper, node.backing));
  }

  /** The layers from `node` down to the one over `base`, a node of its chain, as a disk of their own. */
  async layersAbove(base: GraphNode, node: GraphNode): Promise<Image> {
    const upper = await this.layer(node);
    if (node.kind === 'storage' || node.backing === null || node.backing === base) return upper;
    return new OverlayImage(
      upper,
      await this.layersAbove(base, node.backing),
      await this.#objection(upper, node.backing),
    );
  }

  /** Why `backing` must not show through `upper`; null: it may. */
  async #objection(upper: Image, backing: GraphNode): Promise<ImageError | null> {
    return upper.objectsTo?.(await this.layer(backing)) ?? null;
  }

  /** The backing chain's disk, for changes of `upper`. */
  async #below(upper: Image, backing: GraphNode): Promise<Image> {
    const objection = await this.#objection(upper, backing);
    if (objection !== null) throw objection;
    return this.disk(backing);
  }

  /** The same for each name that one image has (`x`, `./x`, a link to it): its format and the real path. */
  async identityOf(node: GraphNode): Promise<string> {
    const name = nodeName(node);
    const path = name.startsWith('json:') ? null : this.protocolOf(name).localPath(name);
    return `${formatName(node)} ${path === null ? name : await this.platform.realPath(path)}`;
  }

  /** What a driver may ask for while it opens or creates an image of the user's. */
  driverContext(cache: CacheMode, signal?: AbortSignal): DriverContext {
    const settings = { cache, share: false, chain: false, content: true, signal };
    const frame = { settings, byUser: true, above: [], edit: null };
    return this.#context(frame, {}, { fileName: null, opened: () => {} });
  }

  /** Takes back what was created; before `close`. */
  private discard(): void {
    for (const storage of this.#opened) storage.discard?.();
  }

  /** Closes everything, and throws what the first failure was. */
  private async close(): Promise<void> {
    const stores = [...this.#opened.splice(0).map(({ store }) => store), ...this.#scratch.splice(0)];
    const results = await Promise.allSettled(stores.map((store) => store.close()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #openNamed({ name, imageOptions, format }: ImageName, frame: Frame): Promise<GraphNode> {
    if (imageOptions && format !== null)
      throw new ImageError('invalid', '--image-opts and --format are mutually exclusive');
    const options = imageOptions ? BlockdevOptions.fromText(name) : new BlockdevOptions();
    if (format !== null) options.setDefault('driver', format);
    if (imageOptions && frame.settings.share && refusesSharing(options))
      throw new ImageError('invalid', '--force-share/-U conflicts with image options');
    try {
      return await this.#openTree(imageOptions ? null : name, options, frame);
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed(`Could not open '${name}': `) : error;
    }
  }

  /** A node and all below it. `name` is null if the options say everything. */
  async #openTree(name: string | null, options: BlockdevOptions, outer: Frame): Promise<GraphNode> {
    if (name?.startsWith('json:')) {
      options.addDefaults(BlockdevOptions.fromJsonName(name));
      return this.#openTree(null, options, outer);
    }
    const driverName = options.takeText('driver');
    const frame = { ...outer, settings: takeCommonOptions(options, outer.settings, outer.edit) };
    if (driverName === undefined)
      return this.#openImage(await this.#openFile(name, options, false, frame), null, options, frame);
    const protocol = this.#protocols.find((each) => each.names.includes(driverName));
    if (protocol !== undefined) return this.#openStorage(protocol, addressOf(name, options), frame);
    const driver = findDriver(driverName);
    if (driver === undefined) throw new ImageError('invalid', `Unknown driver '${driverName}'`);
    return this.#openImage(await this.#openFile(name, options, true, frame), driver, options, frame);
  }

  /** The node that a format is in: the options' `file`, or what the name says. */
  async #openFile(name: string | null, options: BlockdevOptions, hasDriver: boolean, frame: Frame): Promise<GraphNode> {
    const reference = options.takeText('file');
    if (reference !== undefined) throw noSuchNode(reference);
    const child = options.takeChild('file');
    if (child.size > 0) {
      if (name !== null)
        throw new ImageError('invalid', "Can't specify 'file' and 'filename' options at the same time");
      if (child.has('driver')) return this.#openTree(null, child, frame);
      const fileName = child.takeText('filename');
      if (fileName === undefined) throw new ImageError('invalid', 'Must specify either driver or file');
      return this.#openByName(fileName, child, frame);
    }
    if (name !== null) return this.#openByName(name, child, frame);
    throw new ImageError(
      'invalid',
      hasDriver ? 'A block device must be specified for "file"' : 'Must specify either driver or file',
    );
  }

  #openByName(name: string, options: BlockdevOptions, outer: Frame): Promise<StorageNode> {
    const frame = { ...outer, settings: takeCommonOptions(options, outer.settings, outer.edit) };
    const protocol = this.protocolOf(name);
    return this.#openStorage(protocol, options.size === 0 ? name : addressOf(name, options), frame);
  }

  async #openStorage(
    protocol: Protocol,
    given: string | ReadonlyMap<string, Scalar>,
    frame: Frame,
  ): Promise<StorageNode> {
    const address = typeof given === 'string' ? given : textValues(given);
    await (frame.byUser ? this.#policy.admit(protocol, address) : this.#policy.check(protocol, address));
    const { cache, share, signal } = frame.settings;
    const mode = frame.edit === null ? 'read' : 'write';
    const keepAllocated = frame.edit?.keepAllocated ?? false;
    const storage = await protocol.open(address, { mode, cache, share, keepAllocated, signal });
    // as they were given: a json: name tells numbers from texts
    const options = typeof given === 'string' ? storage.options : Object.fromEntries(given);
    return { kind: 'storage', storage: this.#track({ ...storage, options }) };
  }

  #track(storage: OpenStorage): OpenStorage {
    this.#opened.push(storage);
    return storage;
  }

  #unpacked(file: GraphNode, given: ImageDriver | null, { settings: { signal } }: Frame): Promise<GraphNode> {
    const onScratch = (store: ByteStore) => void this.#scratch.push(store);
    return unpackedFile(file, given, { platform: this.platform, wishes: this.#unpack, onScratch, signal });
  }

  /** The image in `file`, and its backing file. */
  async #openImage(
    packed: GraphNode,
    given: ImageDriver | null,
    options: BlockdevOptions,
    frame: Frame,
  ): Promise<ImageNode> {
    const file = frame.unpacks === true ? await this.#unpacked(packed, given, frame) : packed;
    const source = sourceOf(file);
    const driver = given ?? (await probeFormat(source, this.#warn));
    if (given === null && frame.edit !== null && driver.name === 'raw') this.#warn(guessedRaw(source.name));
    const { runtime, strong } = takeRuntimeOptions(driver, options);
    const references: Reference[] = [];
    const naming = { fileName: storageOf(file).fileName, opened: (reference: Reference) => references.push(reference) };
    const context = this.#context(frame, runtime, naming);
    let opened: ImageNode | null = null;
    const backing = async () => (opened?.backing ? this.#below(opened.image, opened.backing) : null);
    const image = await openWith(driver, file, source, context, frame, backing);
    if (frame.settings.content && image.unreadable !== null) throw image.unreadable;
    const node: ImageNode = {
      kind: 'image',
      driver,
      image,
      file,
      references,
      backing: null,
      strongOptions: strong,
      probed: given === null,
    };
    opened = node;
    const standsAlone = takeNoBacking(options, this.#warn);
    if (frame.settings.chain && !standsAlone) node.backing = await this.#openBackingOf(node, options, frame);
    const unknown = options.firstKey();
    if (unknown !== undefined)
      throw new ImageError('invalid', `Block format '${driver.name}' does not support the option '${unknown}'`);
    return node;
  }

  /** What the driver may open itself, counted from the working directory as `qemu-img` does. */
  #context(frame: Frame, runtimeOptions: OptionValues, { fileName, opened }: Naming): DriverContext {
    const named = new Set(Object.values(runtimeOptions));
    return {
      kernels: this.platform.kernels,
      encryption: { crypto: this.platform.crypto, secrets: this.#secrets, content: frame.settings.content },
      runtimeOptions,
      onWarning: this.#warn,
      ...(this.#events === undefined ? {} : { events: this.#events }),
      fileName,
      openReference: async (name, mode, role): Promise<ByteStore> => {
        const protocol = this.protocolOf(name);
        // Runtime options may also come from a json: name that an image gives for its backing file.
        const byUser = frame.byUser && (mode === 'create' || named.has(name));
        await (byUser ? this.#policy.admit(protocol, name) : this.#policy.check(protocol, name));
        const { cache, share, signal } = frame.settings;
        const storage = this.#track(await protocol.open(name, { mode, cache, share, signal }));
        opened({ role, storage });
        return storage.store;
      },
    };
  }

  async #openBackingOf(node: ImageNode, options: BlockdevOptions, frame: Frame): Promise<GraphNode | null> {
    const reference = options.takeText('backing');
    if (reference !== undefined) throw noSuchNode(reference);
    const child = options.takeChild('backing');
    const { backing } = node.image;
    if (backing === null && child.size === 0) return null;
    const named = child.has('file.filename') || backing === null ? null : fullBackingName(node);
    if (named === null && !node.driver.backing) throw new ImageError('invalid', "Driver doesn't support backing files");
    if (backing?.format) child.setDefault('driver', backing.format);
    const identity = await this.identityOf(node);
    if (frame.above.includes(identity)) throw endlessChain(nodeName(node));
    const above = [...frame.above, nodeName(node), identity];
    if (named !== null && above.includes(named)) throw endlessChain(named);
    try {
      return await this.#openTree(named, child, {
        ...frame,
        settings: { ...frame.settings, share: frame.settings.share || frame.edit?.shareChain === true },
        above,
        edit: null,
        unpacks: false,
        byUser: frame.byUser && named === null,
      });
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed('Could not open backing file: ') : error;
    }
  }
}

/** A format's view of what it is in; a format may be in another one, to be read. */
function sourceOf(node: GraphNode): ByteSource {
  return node.kind === 'storage' ? node.storage.store : new ImageSource(nodeName(node), node.image);
}

type OpensForWriting = (store: ByteStore, request: EditRequest, context: DriverContext) => Promise<Image>;

async function openWith(
  driver: ImageDriver,
  file: GraphNode,
  source: ByteSource,
  context: DriverContext,
  { edit, settings }: Frame,
  backing: NonNullable<EditRequest['backing']>,
): Promise<Image> {
  if (settings.check && driver.check !== undefined) {
    const store = edit !== null && file.kind === 'storage' ? file.storage.store : null;
    return driver.check(source, store, context);
  }
  if (edit !== null) {
    const purpose = edit.purpose ?? 'edit';
    const open: OpensForWriting | undefined = driver[purpose] ?? driver.edit;
    if (open === undefined || file.kind !== 'storage')
      throw new ImageError('unsupported', `Block format '${driver.name}' cannot be written to here`);
    const request = { compress: edit.compress, flush: edit.cache !== 'unsafe', backing };
    return open.call(driver, file.storage.store, request, context);
  }
  if (driver.open === undefined) throw new ImageError('unsupported', `Block format '${driver.name}' cannot be read`);
  return driver.open(source, context);
}
