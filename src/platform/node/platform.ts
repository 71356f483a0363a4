/** Node as a platform of the commands: local files, devices, NBD, files on web servers. */
import { readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { protocolPrefix } from '../../commands/file-names.js';
import type { Access, Address, OpenStorage, Platform, Protocol } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import { type OptionTable, STORAGE_PREALLOCATION } from '../../image/options.js';
import { type NbdTarget, nbdFileName, parseNbdAddress, parseNbdOptions } from '../net/nbd-uri.js';
import { nodeCryptography } from './cryptography.js';
import { systemError } from './errno.js';
import { FileStore } from './file-store.js';
import { httpProtocols } from './http.js';
import { createNodeKernels } from './kernels.js';
import { openNbd } from './nbd.js';
import { openFile, statIfPossible } from './open-file.js';
import { nodeUnpacking } from './unpacking.js';

const FILE_OPTIONS: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  { name: 'nocow', type: 'bool', help: 'Turn off copy-on-write (valid only on btrfs)' },
  {
    name: 'preallocation',
    type: 'string',
    help: 'Preallocation mode (allowed values: off, falloc, full)',
    values: STORAGE_PREALLOCATION,
  },
  { name: 'extent_size_hint', type: 'size', help: 'Extent size hint for the image file, 0 to disable' },
];

const fileProtocol: Protocol = {
  names: ['file', 'host_device'],
  prefixes: ['file', 'host_device'],
  createOptions: FILE_OPTIONS,
  localPath: pathOf,
  async open(address: Address, access: Access): Promise<OpenStorage> {
    const path = pathOf(address);
    if (path === '') throw new ImageError('invalid', "The 'file' block driver requires a file name");
    const share = access.share || withoutLocks(address, access);
    const store = await openFile(path, access.mode, { cache: access.cache, share });
    return describeFile(store, path);
  },
};

/** The path of `x`, `file:x` or `filename=x`; '' if there is none. Throws `invalid` for other options. */
function pathOf(address: Address): string {
  if (typeof address === 'string') return plainPath(address);
  for (const key of address.keys()) {
    if (key !== 'filename' && key !== 'locking' && key !== 'aio')
      throw new ImageError('invalid', `Block protocol 'file' doesn't support the option '${key}'`);
  }
  return address.get('filename') ?? '';
}

/** A file name without its prefix; what is left must not look as if it had another one. */
function plainPath(name: string): string {
  const path = name.replace(/^(file|host_device):/, '');
  return path === name || protocolPrefix(path) === null ? path : `./${path}`;
}

/** `locking=off`: as if it were shared; what is written is always locked. Throws `invalid` or `unsupported`. */
function withoutLocks(address: Address, { mode }: Access): boolean {
  if (typeof address === 'string') return false;
  const aio = address.get('aio') ?? 'threads';
  if (aio !== 'threads') throw new ImageError('unsupported', `aio=${aio} is not supported`);
  const locking = address.get('locking') ?? 'auto';
  if (locking === 'auto' || locking === 'on') return false;
  if (locking !== 'off') throw new ImageError('invalid', `Parameter 'locking' does not accept value '${locking}'`);
  if (mode !== 'read') throw new ImageError('unsupported', 'locking=off is not supported for writing');
  return true;
}

function describeFile(store: FileStore, path: string): OpenStorage {
  const driver = store.fixedSize ? 'host_device' : 'file';
  return {
    store,
    driver,
    fileName: path,
    options: { filename: path },
    allocated: store.allocated(),
    hasFlags: true,
    specific: { type: 'file', data: {} },
    discard: () => void store.discard(),
    remove: () => store.remove(),
    async copyFrom(source, sourceOffset, offset, length) {
      if (!(source instanceof FileStore)) return false;
      try {
        await store.copyRange(source, sourceOffset, offset, length);
        return true;
      } catch (error) {
        if (error instanceof ImageError && error.code === 'unsupported') return false;
        throw error;
      }
    },
  };
}

function tuning({ openTimeout, reconnectDelay, contextName }: NbdTarget) {
  return {
    ...(openTimeout === undefined ? {} : { openTimeout }),
    ...(reconnectDelay === undefined ? {} : { reconnectDelay }),
    ...(contextName === undefined ? {} : { contextName }),
  };
}

const nbdProtocol: Protocol = {
  names: ['nbd'],
  prefixes: ['nbd', 'nbd+tcp', 'nbd+unix', 'nbds', 'nbds+unix'],
  createOptions: [{ name: 'size', type: 'size', help: 'Virtual disk size' }],
  localPath: () => null,
  async open(address: Address, access: Access): Promise<OpenStorage> {
    const target = typeof address === 'string' ? parseNbdAddress(address) : parseNbdOptions(address);
    const { mode, keepAllocated = false, signal } = access;
    const store = await openNbd(target, {
      writable: mode !== 'read',
      keepAllocated,
      ...tuning(target),
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      store,
      driver: 'nbd',
      fileName: nbdFileName(target),
      options: typeof address === 'string' ? { filename: address } : Object.fromEntries(address),
      allocated: null,
      hasFlags: false,
    };
  },
};

export const nodePlatform: Platform = {
  protocols: [fileProtocol, nbdProtocol, ...httpProtocols],
  kernels: createNodeKernels(),
  crypto: nodeCryptography,
  unpacking: nodeUnpacking,
  realPath: async (path) => realPathOf(absolute(path)),
  async filesIn(directory) {
    try {
      return readdirSync(directory === '' ? '.' : directory).sort();
    } catch {
      return [];
    }
  },
  async kindOf(path) {
    const stats = statIfPossible(path);
    if (stats === undefined) return 'none';
    if (stats.isFile()) return 'file';
    if (stats.isDirectory()) return 'directory';
    return stats.isBlockDevice() || stats.isCharacterDevice() ? 'device' : 'other';
  },
};

function absolute(path: string): string {
  try {
    return resolve(path);
  } catch (error) {
    // Whatever stood for it could be another directory, and what lies there be trusted.
    const reason = systemError(error);
    throw reason instanceof ImageError ? reason.prefixed('Could not find the working directory: ') : reason;
  }
}

/** Resolves what exists of an absolute path. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === '/' ? path : join(realPathOf(dirname(path)), basename(path));
  }
}
