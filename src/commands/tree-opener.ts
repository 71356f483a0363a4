/**
 * From options and names to a graph of nodes.
 *
 * A node is a protocol's storage, a filter over other nodes, or an image in a format with the node that it lies in and
 * the chain of its backing files. Each takes its own options from the list; what nobody takes is refused.
 */
import { ImageError } from '../errors.js';
import { findDriver } from '../formats/index.js';
import type { CheckEvents } from '../image/check.js';
import type { DriverContext, EditRequest, ImageDriver } from '../image/driver.js';
import type { Secrets } from '../image/encryption.js';
import type { EditableImage, Image } from '../image/image.js';
import type { OptionValues } from '../image/options.js';
import { OverlayImage } from '../image/overlay.js';
import { ImageSource, ImageStore } from '../image/source.js';
import type { ByteSource, ByteStore } from '../storage/storage.js';
import { endlessChain, fullBackingName } from './backing-name.js';
import { BlockdevOptions, type Scalar, textValues } from './blockdev.js';
import { withinBundle } from './bundles.js';
import type { FilterDriver, OpenedChild } from './filters/filter.js';
import {
  formatName,
  type GraphNode,
  type ImageNode,
  nodeName,
  placeOf,
  type Reference,
  type StorageNode,
} from './graph.js';
import { lookAround } from './look-around.js';
import { writableStore } from './nested-store.js';
import { addressOf, noSuchNode, takeCommonOptions, takeNoBacking, takeRuntimeOptions } from './node-options.js';
import { unpackedFile } from './packed-files.js';
import type { CacheMode, Platform, Protocol } from './platform.js';
import { checkGuess, guessedRaw, probeFormat } from './probe.js';
import { isProtocol, type ProtocolTable } from './protocols/index.js';
import type { EditSettings, OpenSettings, Trust } from './settings.js';
import type { StorageOpener } from './storage-opener.js';

/** Where in the graph something is opened. */
export interface Frame {
  settings: OpenSettings;
  /** The user named it, not an image. */
  byUser: boolean;
  /** Below a protocol or a format, a name is one of storage: no format is looked for. */
  isStorage: boolean;
  /** Images further up the chain, by name and by identity. */
  above: readonly string[];
  /** How to open it for writing; null: for reading. */
  edit: EditSettings | null;
  /** A packed file is unpacked. */
  unpacks?: boolean;
}

/** What an image calls its files, and what becomes of them. */
interface Naming {
  location?: DriverContext['location'];
  opened(reference: Reference): void;
}

/** An image that is open for writing. */
export interface EditTarget {
  node: ImageNode;
  editor: EditableImage;
}

/** What an image is written to by; it was opened for that. */
export function editorOf(node: ImageNode): EditableImage {
  return node.image as EditableImage;
}

export class TreeOpener {
  readonly #secrets: Secrets;
  readonly #unpack: Trust['unpack'];
  readonly #warn: (message: string) => void;
  readonly #events: CheckEvents | undefined;

  constructor(
    private readonly platform: Platform,
    private readonly protocols: ProtocolTable,
    private readonly storages: StorageOpener,
    { secrets = new Map(), unpack, onWarning = () => {}, events }: Trust,
  ) {
    this.#unpack = unpack;
    this.#secrets = secrets;
    this.#warn = onWarning;
    this.#events = events;
  }

  /** A node and all below it. `name` is null if the options say everything. */
  async open(name: string | null, options: BlockdevOptions, outer: Frame): Promise<GraphNode> {
    if (name?.startsWith('json:')) {
      options.addDefaults(BlockdevOptions.fromJsonName(name));
      return this.open(null, options, outer);
    }
    const driverName = options.takeText('driver');
    if (driverName === undefined && outer.isStorage) return this.#openByName(name, options, outer);
    const frame = { ...outer, settings: takeCommonOptions(options, outer.settings, outer.edit) };
    if (driverName === undefined) {
      const file = await this.#openChild('file', name, options, 'Must specify either driver or file', frame);
      return this.#openImage(file, null, options, frame);
    }
    const lower = this.protocols.find(driverName);
    if (lower !== undefined) return this.#openLower(lower, name, options, frame);
    const driver = findDriver(driverName);
    if (driver === undefined) throw new ImageError('invalid', `Unknown driver '${driverName}'`);
    const file = await this.#openChild('file', name, options, missingChild('file'), frame);
    return this.#openImage(file, driver, options, frame);
  }

  /** Storage as a raw disk, to be written to. */
  async editRaw(file: StorageNode, edit: EditSettings): Promise<EditTarget> {
    const driver = findDriver('raw')!;
    const { store } = file.storage;
    const editor = await driver.edit!(
      store,
      { compress: false, flush: edit.cache !== 'unsafe' },
      this.ownContext(edit.cache),
    );
    const opened = { driver, image: editor, file, references: [], backing: null, strongOptions: {}, probed: false };
    return { node: { kind: 'image', ...opened }, editor };
  }

  /** The disk of this node alone; storage without a format is a raw disk. */
  async layer(node: GraphNode): Promise<Image> {
    if (node.kind === 'image') return node.image;
    return findDriver('raw')!.open!(node.storage.store, this.ownContext('writeback'));
  }

  /** What a driver may ask for while it opens or creates an image of the user's. */
  ownContext(cache: CacheMode, signal?: AbortSignal): DriverContext {
    const settings = { cache, share: false, chain: false, content: true, signal };
    const frame = { settings, byUser: true, isStorage: false, above: [], edit: null };
    return this.#context(frame, {}, { opened: () => {} });
  }

  /** The disk that a guest would see: `layer`, or the node's own, over its backing chain. */
  async disk(node: GraphNode, layer?: Image): Promise<Image> {
    const upper = layer ?? (await this.layer(node));
    if (node.kind === 'storage' || node.backing === null) return upper;
    return new OverlayImage(upper, await this.disk(node.backing), await this.#objection(upper, node.backing));
  }

  /**
   * The layers from `node` down to the one over `base`, a node of its chain, as a disk of their own, or over `bottom` in
   * the place of what the chain has there.
   */
  async layersAbove(base: GraphNode, node: GraphNode, bottom: Image | null = null): Promise<Image> {
    const upper = await this.layer(node);
    if (node.kind === 'storage' || node.backing === null) return upper;
    const below = node.backing === base ? bottom : await this.layersAbove(base, node.backing, bottom);
    if (below === null) return upper;
    return new OverlayImage(upper, below, await this.#objection(upper, node.backing));
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
    const path = name.startsWith('json:') ? null : this.protocols.localPath(name);
    return `${formatName(node)} ${path === null ? name : await this.platform.realPath(path)}`;
  }

  /** A node below another one: what the options say of it, or what the name says. */
  async #openChild(
    key: string,
    name: string | null,
    options: BlockdevOptions,
    missing: string,
    frame: Frame,
    isStorage = true,
  ): Promise<GraphNode> {
    const reference = options.takeText(key);
    if (reference !== undefined) throw noSuchNode(reference);
    const child = options.takeChild(key);
    if (child.size === 0 && name === null) throw new ImageError('invalid', missing);
    if (child.size > 0 && name !== null)
      throw new ImageError('invalid', "Can't specify 'file' and 'filename' options at the same time");
    return this.open(name, child, { ...frame, isStorage });
  }

  /** What a file name, in the options or not, and nothing else says: storage. */
  #openByName(given: string | null, options: BlockdevOptions, outer: Frame): Promise<StorageNode> {
    const name = given ?? options.takeText('filename');
    if (name === undefined) throw new ImageError('invalid', 'Must specify either driver or file');
    const frame = { ...outer, settings: takeCommonOptions(options, outer.settings, outer.edit) };
    return this.#openLower(this.protocols.of(name), name, options, frame);
  }

  #openLower(
    driver: Protocol | FilterDriver,
    name: string | null,
    options: BlockdevOptions,
    frame: Frame,
  ): Promise<StorageNode> {
    if (isProtocol(driver)) return this.#openStorage(driver, addressOf(name, options), frame);
    return this.#openFilter(driver, name, options, frame);
  }

  async #openStorage(
    protocol: Protocol,
    given: string | ReadonlyMap<string, Scalar>,
    frame: Frame,
  ): Promise<StorageNode> {
    const named = typeof given === 'string' ? given : textValues(given);
    const address = await withinBundle(this.platform, protocol, named);
    const { cache, share, signal } = frame.settings;
    const mode = frame.edit === null ? 'read' : 'write';
    const keepAllocated = frame.edit?.keepAllocated ?? false;
    const storage = await this.storages.open(
      protocol,
      address,
      { mode, cache, share, keepAllocated, signal },
      frame.byUser,
    );
    // as they were given: a json: name tells numbers from texts
    const options = typeof given === 'string' || address !== named ? storage.options : Object.fromEntries(given);
    return { kind: 'storage', storage: { ...storage, options }, children: [] };
  }

  async #openFilter(
    filter: FilterDriver,
    given: string | null,
    options: BlockdevOptions,
    frame: Frame,
  ): Promise<StorageNode> {
    const name = given ?? options.takeText('filename') ?? null;
    const prefix = `${filter.name}:`;
    if (name !== null) {
      if (!name.startsWith(prefix) || filter.parseName === undefined)
        throw unknownOption('format', filter.name, 'filename');
      for (const [key, value] of filter.parseName(name.slice(prefix.length))) options.setDefault(key, value);
    }
    const node = await filter.open(options, {
      writable: frame.edit !== null,
      openChild: (own, key, probed = false) => this.#openFiltered(key, own, frame, !probed),
      readText: (path) => this.storages.readText(this.protocols.protocolOf(path), path, frame.byUser),
    });
    const unknown = options.firstKey();
    if (unknown !== undefined) {
      const what = filter.parseName === undefined ? 'format' : 'protocol';
      throw unknownOption(what, filter.name, unknown);
    }
    return node;
  }

  async #openFiltered(key: string, options: BlockdevOptions, frame: Frame, isStorage: boolean): Promise<OpenedChild> {
    const whole = { ...frame, settings: { ...frame.settings, chain: true } };
    const node = await this.#openChild(key, null, options, missingChild(key), whole, isStorage);
    if (node.kind === 'storage') return { node, store: node.storage.store };
    const editor = frame.edit === null ? null : editorOf(node);
    return { node, store: new ImageStore(nodeName(node), await this.disk(node), editor) };
  }

  #unpacked(file: GraphNode, given: ImageDriver | null, { settings: { signal } }: Frame): Promise<GraphNode> {
    const onScratch = (store: ByteStore) => this.storages.keep(store);
    return unpackedFile(file, given, { platform: this.platform, wishes: this.#unpack, onScratch, signal });
  }

  /** The image in `packed`, or in what that unpacks to, and its backing file. */
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
    const isGuessed = given === null || frame.edit?.guessed === true;
    const { runtime, strong } = takeRuntimeOptions(driver, options);
    const references: Reference[] = [];
    const naming = {
      location: { name: nodeName(file), place: () => placeOf(file) },
      opened: (reference: Reference) => references.push(reference),
    };
    const context = this.#context(frame, runtime, naming);
    let opened: ImageNode | null = null;
    const backing = async () => (opened?.backing ? this.#below(opened.image, opened.backing) : null);
    const image = await openWith(driver, file, source, context, frame, {
      backing,
      ...(isGuessed && { checkStart: checkGuess }),
    });
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
    if (unknown !== undefined) throw unknownOption('format', driver.name, unknown);
    return node;
  }

  /** What the driver may open itself, counted from the working directory as `qemu-img` does. */
  #context(frame: Frame, runtimeOptions: OptionValues, { location, opened }: Naming): DriverContext {
    const named = new Set(Object.values(runtimeOptions));
    return {
      kernels: this.platform.kernels,
      encryption: { crypto: this.platform.crypto, secrets: this.#secrets, content: frame.settings.content },
      runtimeOptions,
      describesOnly: !frame.settings.content && frame.settings.check !== true,
      onWarning: this.#warn,
      ...(this.#events === undefined ? {} : { events: this.#events }),
      ...(location === undefined ? {} : { location }),
      openReference: async (name, mode, role): Promise<ByteStore> => {
        const protocol = this.protocols.protocolOf(name);
        // Runtime options may also come from a json: name that an image gives for its backing file.
        const byUser = frame.byUser && (mode === 'create' || named.has(name));
        const { cache, share, signal } = frame.settings;
        const storage = await this.storages.open(protocol, name, { mode, cache, share, signal }, byUser);
        opened({ role, storage });
        return storage.store;
      },
      lookAround: async (ending, look) => {
        const around = { platform: this.platform, protocols: this.protocols, storages: this.storages };
        if (location !== undefined) await lookAround(around, location, ending, look, frame.settings.signal);
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
      return await this.open(named, child, {
        ...frame,
        settings: { ...frame.settings, share: frame.settings.share || frame.edit?.shareChain === true },
        above,
        edit: null,
        unpacks: false,
        byUser: frame.byUser && named === null,
        isStorage: false,
      });
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed('Could not open backing file: ') : error;
    }
  }
}

function unknownOption(what: 'format' | 'protocol', driver: string, option: string): ImageError {
  const refuses = what === 'format' ? 'does not' : "doesn't";
  return new ImageError('invalid', `Block ${what} '${driver}' ${refuses} support the option '${option}'`);
}

function missingChild(name: string): string {
  return `A block device must be specified for "${name}"`;
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
  asked: Pick<EditRequest, 'backing' | 'checkStart'>,
): Promise<Image> {
  if (settings.check && driver.check !== undefined) {
    const store = edit === null ? null : writableStore(file);
    return driver.check(source, store, context);
  }
  if (edit !== null) {
    const purpose = edit.purpose ?? 'edit';
    const open: OpensForWriting | undefined = driver[purpose] ?? driver.edit;
    const store = writableStore(file);
    if (open === undefined || store === null)
      throw new ImageError('unsupported', `Block format '${driver.name}' cannot be written to here`);
    const { compress, cache, hidesBacking = false } = edit;
    const request = { compress, flush: cache !== 'unsafe', hidesBacking, ...asked };
    return open.call(driver, store, request, context);
  }
  if (driver.open === undefined) throw new ImageError('unsupported', `Block format '${driver.name}' cannot be read`);
  return driver.open(source, context);
}
