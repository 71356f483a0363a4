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
import { PickedFile, type Traffic } from './picked-file.js';
import type { Content } from './protocol.js';

/** The name by which the commands find a picked file: one with a colon would be taken for a URL. */
export function commandName(fileName: string): string {
  return fileName.includes(':') ? `./${fileName}` : fileName;
}

/** The files of a new image. */
export interface NewFiles {
  /** Whether there is a place for the file that the commands call so. */
  takes(path: string): boolean;
  /** Opens a file that it takes, and empties it. `discard`: as `OpenStorage.discard`. */
  create(path: string): Promise<{ store: ByteStore; discard(): void }>;
}

/** What a task may reach: files by the last parts of their names, and those of the new image, if it makes one. */
export interface Reach {
  readonly picked: ReadonlyMap<string, Content>;
  readonly target: NewFiles | null;
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
      if (mode === 'create' && target?.takes(path)) {
        const { store, discard } = await target.create(path);
        return { ...storageOf(store, path), discard };
      }
      const name = lastPart(path);
      const content = picked.get(name);
      if (!glance) traffic.opened.add(name);
      if (mode === 'create')
        throw new ImageError('unsupported', `'${path}': an image of several files needs a folder to be made in`);
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

/** The name of a file without its directory. */
export function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
