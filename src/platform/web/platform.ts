/**
 * A page as a platform of the commands: a folder that holds the files that were picked, and the target.
 *
 * A browser tells no paths, so a file is found by the last part of whatever name an image has for it:
 * `/var/lib/images/base.qcow2` is the picked `base.qcow2`. Nothing else can be reached.
 */
import type { Access, Address, OpenStorage, Platform, Protocol } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteStore } from '../../storage/storage.js';
import type { Unpacking } from '../../unpack/unpacking.js';
import { webCryptography } from './cryptography.js';
import { MeteredStore } from './meter.js';
import { PickedFile, type Traffic } from './picked-file.js';
import type { Content } from './protocol.js';
import { openTarget, type Target } from './target.js';

/** The name by which the commands find a picked file: one with a colon would be taken for a URL. */
export function commandName(fileName: string): string {
  return fileName.includes(':') ? `./${fileName}` : fileName;
}

/** The file of the new image; nothing happens to it before the command creates it. */
export class TargetFile {
  #target: Target | undefined;

  /**
   * `name` is what the commands call it. `onFinalising` is told when all is written and only the browser's own work is
   * left, if that takes long.
   */
  constructor(
    readonly name: string,
    private readonly file: FileSystemFileHandle,
    private readonly traffic: Traffic,
    private readonly onFinalising: () => void,
  ) {}

  /** Of the file in bytes; what a file system makes of its holes is not known here. */
  get size(): number {
    return this.#target?.store.size ?? 0;
  }

  async create(): Promise<Target> {
    const target = await openTarget(this.file, this.onFinalising);
    this.#target = target;
    return { ...target, store: new MeteredStore(this.name, target.store, this.traffic.meter) };
  }

  /** After a failure, when it has been closed. */
  async remove(): Promise<void> {
    await this.#target?.remove();
  }
}

/** What a task may reach: files by the last parts of their names, and the file of the new image, if it makes one. */
export interface Reach {
  readonly picked: ReadonlyMap<string, Content>;
  readonly target: TargetFile | null;
  readonly traffic: Traffic;
}

/**
 * A disk in an archive (OVA) is read where it lies. What is compressed would have to be unpacked as a whole for every look
 * at it.
 */
const inPlace: Unpacking = {
  decoders: new Map(),
  async createScratch() {
    throw new ImageError('unsupported', 'Files cannot be unpacked here');
  },
};

/** A platform for one task. */
export function webPlatform(kernels: Kernels, reach: Reach): Platform {
  return {
    protocols: [fileProtocol(reach)],
    kernels,
    crypto: webCryptography,
    unpacking: inPlace,
    realPath: async (path) => path,
    // all files are in whatever directory is asked for
    filesIn: async () => [...reach.picked.keys()].sort(),
    kindOf: async (path) => (reach.picked.has(lastPart(path)) ? 'file' : 'none'),
  };
}

function fileProtocol({ picked, target, traffic }: Reach): Protocol {
  return {
    names: ['file'],
    prefixes: ['file'],
    createOptions: [],
    localPath: pathOf,
    async open(address: Address, { mode, glance = false }: Access): Promise<OpenStorage> {
      const path = pathOf(address);
      if (mode === 'create' && path === target?.name) {
        const { store, discard } = await target.create();
        return { ...storageOf(store, path), discard };
      }
      const name = lastPart(path);
      const content = picked.get(name);
      if (!glance) traffic.opened.add(name);
      if (mode !== 'read') throw new ImageError('denied', `Could not open '${path}': Read-only file system`);
      if (content === undefined)
        throw new ImageError('not-found', `Could not open '${path}': No such file or directory`, { file: name });
      return storageOf(await PickedFile.open(content, name, traffic), path);
    },
  };
}

function storageOf(store: ByteStore, path: string): OpenStorage {
  return { store, driver: 'file', fileName: path, options: { filename: path }, allocated: null, hasFlags: true };
}

function pathOf(address: Address): string {
  const name = typeof address === 'string' ? address : (address.get('filename') ?? '');
  return name.replace(/^file:/, '');
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
