/**
 * The world of a mutant: a platform in memory that watches what is opened.
 *
 * The user names images in `/images` and targets in `/out`. Everything else is bait: secrets beside and above the
 * directory, links that lead out of it, devices, servers. Opening one of those for an image is a *trespass*.
 */

import { posix } from 'node:path';
import type { Access, Address, OpenStorage, Platform, Protocol } from '../../src/commands/platform.js';
import { ImageError } from '../../src/errors.js';
import type { Kernels } from '../../src/kernels/kernels.js';
import type { Loan } from '../../src/loan.js';
import { nodeCryptography } from '../../src/platform/node/cryptography.js';
import { PagedFile, PagedStore } from './paged-store.js';

export const IMAGES = '/images/';
export const TARGETS = '/out/';

/** Bytes of content that a target may get; beyond that the disk is full. */
const ROOM = 96 * 1024 * 1024;

/** Links of the world, by their real path's beginning. */
const LINKS: readonly [string, string][] = [
  ['/images/link', '/secret'],
  ['/images/up', '/'],
  ['/images/device', '/dev/zero'],
];

/** Names that no image may have opened; OTHER is an image beside it. */
export const BAIT = [
  '../secret',
  '/secret',
  '/dev/zero',
  'link',
  'up/secret',
  'device',
  'file:../secret',
  'file:/secret',
  '//secret',
  './../secret',
  'sub/../../secret',
  'nbd://localhost/',
  'nbd+unix:///?socket=/secret',
  'host_device:/dev/zero',
  'json:{"driver":"file","filename":"/secret"}',
  'json:{"driver":"raw","file":{"driver":"file","filename":"../secret"}}',
  'json:{"driver":"nbd","host":"localhost","port":"1"}',
  'json:{"file.filename":"/secret","driver":"raw"}',
  'json:{"driver":"raw","file.driver":"null-co","file.size":"8E"}',
  'null-co://',
  'http://localhost/',
  'json:{"driver":"qcow2","data-file":{"filename":"/secret"},"file":{"driver":"file","filename":"/images/OTHER"}}',
  'json:{"driver":"qcow2","data-file.filename":"/secret","file.filename":"/images/OTHER"}',
  'json:{"driver":"qcow2","backing":{"driver":"file","filename":"/secret"},"file":{"filename":"/images/OTHER"}}',
  'json:{"driver":"qcow2","backing.file.filename":"/secret","backing.driver":"raw","file.filename":"/images/OTHER"}',
  'json:{"driver":"qcow2","file":{"driver":"raw","file":{"driver":"file","filename":"/secret"}}}',
  'json:{"driver":"raw","offset":0,"size":512,"file":{"driver":"host_device","filename":"/secret"}}',
  'json:{"driver":"qcow2","file":{"driver":"file","filename":"/images/link"}}',
] as const;

/**
 * Names that lead round in a circle, mean nothing, or name something odd but allowed; MAIN is the image itself, OTHER
 * one beside it.
 */
export const ODD_NAMES = [
  'MAIN',
  './MAIN',
  'sub/../MAIN',
  '/images/MAIN',
  '//images//MAIN',
  'file:MAIN',
  'json:{"driver":"qcow2","file":{"driver":"file","filename":"/images/MAIN"}}',
  'json:{"driver":"raw","file":{"driver":"file","filename":"/images/MAIN"}}',
  'json:{"driver":"qcow2","data-file":{"filename":"/secret"},"file":{"driver":"file","filename":"/images/MAIN"}}',
  'json:{',
  'json:{}',
  'json:[]',
  'json:null',
  `json:${'['.repeat(900)}`,
  `json:${'{"file":'.repeat(100)}`,
  'missing',
  'sub',
  '.',
  '',
  ' ',
  ':',
  'unknown:x',
  'a\nb',
  '\u001b[31mred',
  'x'.repeat(1023),
] as const;

export class World implements Platform {
  readonly files = new Map<string, PagedFile>();
  readonly trespasses: string[] = [];
  readonly protocols: readonly Protocol[];
  readonly kernels: Kernels;
  readonly crypto = nodeCryptography;
  /** Storages that are open, and buffers that are lent. */
  openStores = 0;
  lentBuffers = 0;

  /** @param late storage answers later */
  constructor(
    kernels: Kernels,
    private readonly late: boolean,
  ) {
    this.protocols = [this.#fileProtocol(), this.#serverProtocol()];
    this.kernels = this.#counting(kernels);
    this.files.set('/secret', PagedFile.of(new Uint8Array(4096).fill(0x53)));
    this.files.set('/dev/zero', new PagedFile(0));
  }

  async realPath(path: string): Promise<string> {
    const plain = posix.resolve('/', path);
    for (const [link, target] of LINKS) {
      if (plain === link) return target;
      if (plain.startsWith(`${link}/`)) return posix.join(target, plain.slice(link.length));
    }
    return plain;
  }

  async filesIn(directory: string): Promise<string[]> {
    const place = posix.resolve('/', directory);
    return [...this.files.keys()].filter((path) => posix.dirname(path) === place).map((path) => posix.basename(path));
  }

  async kindOf(path: string): Promise<'file' | 'directory' | 'device' | 'other' | 'none'> {
    if (path.startsWith('/dev/')) return 'device';
    if (path === '/images' || path === '/images/sub') return 'directory';
    return this.files.has(path) ? 'file' : 'none';
  }

  #fileProtocol(): Protocol {
    const pathOf = (address: Address) =>
      typeof address === 'string' ? address.replace(/^(file|host_device):/, '') : (address.get('filename') ?? '');
    return {
      names: ['file', 'host_device'],
      prefixes: ['file', 'host_device'],
      createOptions: [{ name: 'size', type: 'size', help: '' }],
      localPath: pathOf,
      open: async (address, access) => this.#open(pathOf(address), access),
    };
  }

  #serverProtocol(): Protocol {
    return {
      names: ['nbd'],
      prefixes: ['nbd', 'nbd+unix', 'nbds', 'http'],
      createOptions: null,
      localPath: () => null,
      open: async (address) => {
        this.trespasses.push(typeof address === 'string' ? address : JSON.stringify([...address]));
        throw new ImageError('disconnected', 'Connection refused');
      },
    };
  }

  async #open(path: string, { mode }: Access): Promise<OpenStorage> {
    const real = await this.realPath(path);
    if (!real.startsWith(IMAGES) && !real.startsWith(TARGETS)) this.trespasses.push(real);
    const before = this.files.get(real);
    if (before === undefined && mode !== 'create')
      throw new ImageError('not-found', `Could not open '${path}': No such file or directory`);
    const fresh = mode === 'create';
    const file = before ?? new PagedFile();
    if (fresh) file.truncate(0);
    this.files.set(real, file);
    this.openStores++;
    let open = true;
    const onClose = () => {
      if (open) this.openStores--;
      open = false;
    };
    return {
      store: new PagedStore(path, file, { late: this.late, room: ROOM, fresh, onClose }),
      driver: 'file',
      fileName: path,
      options: { filename: path },
      allocated: null,
      hasFlags: true,
      discard: () => {
        if (fresh) this.files.delete(real);
      },
    };
  }

  #counting(kernels: Kernels): Kernels {
    const lend = (length: number): Loan => {
      const { bytes, release } = kernels.buffer(length);
      this.lentBuffers++;
      let held = true;
      return {
        bytes,
        release: () => {
          if (held) this.lentBuffers--;
          held = false;
          release();
        },
      };
    };
    return {
      parallelism: kernels.parallelism,
      buffer: lend,
      split: (bytes, granule, minimum) => kernels.split(bytes, granule, minimum),
      pack: (bytes, encoding) => kernels.pack(bytes, encoding),
      unpack: (codec, batch) => kernels.unpack(codec, batch),
      crc32: (bytes) => kernels.crc32(bytes),
      crc32c: (bytes) => kernels.crc32c(bytes),
      close: async () => {},
    };
  }
}
