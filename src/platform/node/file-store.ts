/**
 * Local files and block devices as storage.
 *
 * `FileStore` is made by `openFile`. It keeps no buffers of its own: transfers go straight between the caller's memory,
 * which may be wasm memory, and the page cache.
 */
import { close, fdatasync, fstatSync, ftruncate, ftruncateSync, lstatSync, unlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { ImageError } from '../../errors.js';
import type { MaybePromise } from '../../maybe.js';
import type { ByteStore, FileHints, Preallocation, StorageExtent } from '../../storage/storage.js';
import { copyRange } from './copy-range.js';
import { systemError } from './errno.js';
import { applyHints } from './file-hints.js';
import { type Channel, readChannel, writeChannel } from './file-io.js';
import { fileExtents } from './holes.js';
import type { OpenedFile } from './opened-file.js';
import { Reserver } from './reserver.js';
import { allocateFirstBlock, preallocate, punch, writeZeros } from './space.js';
import { SpaceAhead } from './space-ahead.js';
import { SpaceWithin } from './space-within.js';

const closeFile = promisify(close);
const syncData = promisify(fdatasync);
const truncateFile = promisify(ftruncate);

/**
 * Bytes. The longer the fewer calls, but a kernel that keeps files in large pages looks for one as long as the write, and
 * those of 1 MiB and more are rare, or come from memory that a virtual machine's host has to give it first.
 */
const TRANSFER = 768 * 1024;

/** Bytes, where a request takes a while however short it is. */
const DISTANT_TRANSFER = 4 * 1024 * 1024;

/** Offset, length and memory address that direct I/O needs at most; bytes. */
const DIRECT_ALIGNMENT = 4096;

/** The least that direct I/O may move; bytes. */
const SECTOR = 512;

/** What became of a target that failed. */
export type Discarded = 'removed' | 'emptied' | 'left';

export class FileStore implements ByteStore {
  readonly name: string;
  readonly transfer: number;
  readonly readsZero: boolean;
  readonly requestAlignment: number;
  /** Absent where nothing can be known: for devices, and without the C library. */
  readonly extents?: (offset: number, length: number) => StorageExtent[];
  readonly #file: OpenedFile;
  readonly #reads: Channel;
  readonly #writes: Channel;
  /** For a file that began empty: beyond its end, and within it. */
  readonly #ahead: SpaceAhead | null;
  readonly #within: SpaceWithin | null;
  #size: number;
  /** End of the last byte ever written; beyond it a fresh file is known to be all hole. */
  #written: number;
  #closed = false;

  constructor(file: OpenedFile) {
    const { libc, fd, kind } = file;
    this.#file = file;
    this.name = file.name;
    this.transfer = file.fileSystem === 'distant' ? DISTANT_TRANSFER : TRANSFER;
    this.readsZero = file.fresh;
    this.requestAlignment = file.directFd === null ? 1 : SECTOR;
    this.#size = file.size;
    this.#written = file.fresh ? 0 : Number.POSITIVE_INFINITY;
    this.#reads = readChannel(file.name, TRANSFER);
    this.#writes = writeChannel(file.name);
    const reserver = Reserver.of(file);
    this.#ahead = reserver && new SpaceAhead(reserver);
    this.#within = reserver && new SpaceWithin(reserver);
    if (libc !== null && kind === 'regular') this.extents = (offset, length) => fileExtents(libc, fd, offset, length);
  }

  get size(): number {
    return this.#size;
  }

  /** A device: its size cannot be changed. */
  get fixedSize(): boolean {
    return this.#file.kind === 'device';
  }

  /** Bytes of disk space in use; 0 for a device. */
  allocated(): number {
    return fstatSync(this.#file.fd).blocks * 512;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (offset + into.length > this.#size)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    return this.#transfer(this.#reads, offset, into);
  }

  write(offset: number, bytes: Uint8Array): MaybePromise<void> {
    const end = offset + bytes.length;
    this.#within?.prepare(this.#size, offset, end);
    this.#ahead?.fill(offset, end);
    if (end > this.#size && !this.fixedSize) {
      this.#ahead?.prepare(this.#size, offset, end);
      this.#size = end;
    }
    if (end > this.#written) this.#written = end;
    return this.#transfer(this.#writes, offset, bytes);
  }

  /** Past the page cache if asked for and if the request is aligned; the kernel keeps the two ways coherent. */
  #transfer(channel: Channel, offset: number, bytes: Uint8Array): MaybePromise<void> {
    const { fd, directFd } = this.#file;
    if (directFd === null || ((offset | bytes.length | bytes.byteOffset) & (DIRECT_ALIGNMENT - 1)) !== 0)
      return channel.transfer(fd, offset, bytes);
    return this.#transferDirect(channel, directFd, offset, bytes);
  }

  async #transferDirect(channel: Channel, directFd: number, offset: number, bytes: Uint8Array): Promise<void> {
    try {
      await channel.transfer(directFd, offset, bytes);
    } catch (error) {
      // The device wants more than 4096, or the memory itself is not aligned.
      if (!(error instanceof ImageError) || error.code !== 'invalid') throw error;
      await channel.transfer(this.#file.fd, offset, bytes);
    }
  }

  zero(offset: number, length: number): MaybePromise<void> {
    const end = offset + length;
    const used = Math.min(end, this.#size, this.#written);
    if (end > this.#size && !this.fixedSize) this.#grow(end);
    if (offset < used) return this.#zeroUsed(offset, (this.fixedSize ? end : used) - offset);
  }

  #grow(size: number): void {
    try {
      this.#ahead?.skip(this.#size, size);
      ftruncateSync(this.#file.fd, size);
    } catch (error) {
      throw systemError(error, { file: this.name });
    }
    this.#size = size;
  }

  async #zeroUsed(offset: number, length: number): Promise<void> {
    const { libc, fd } = this.#file;
    if (libc !== null && (await punch(libc, fd, offset, length))) return;
    await writeZeros(fd, offset, length);
  }

  async truncate(size: number): Promise<void> {
    if (this.fixedSize) {
      if (size > this.#size) throw new ImageError('invalid', 'Cannot grow device files', { file: this.name });
      if (size < this.#size) throw new ImageError('invalid', 'Cannot resize device files', { file: this.name });
      return;
    }
    const { fd, fresh } = this.#file;
    try {
      this.#ahead?.skip(this.#size, size);
      await truncateFile(fd, size);
    } catch (error) {
      const reason = systemError(error, { file: this.name });
      throw reason instanceof ImageError ? reason.prefixed('Could not resize file: ') : reason;
    }
    if (size <= this.#size) this.#ahead?.truncated();
    const firstGrowth = fresh && this.#size === 0 && size > 0;
    this.#size = size;
    if (fresh) this.#written = Math.min(this.#written, size);
    if (firstGrowth) await allocateFirstBlock(fd, size);
  }

  /** Reserves space up to `size`; 'full' writes zeros from the present end on. */
  async preallocate(size: number, mode: Preallocation): Promise<void> {
    if (mode === 'off' || size <= this.#size) return;
    const { libc, fd } = this.#file;
    if (this.fixedSize)
      throw new ImageError('unsupported', `Unsupported preallocation mode '${mode}'`, { file: this.name });
    const before = this.#size;
    this.#within?.stop();
    await preallocate(libc, fd, before, size, mode);
    this.#size = size;
    if (before === 0) await allocateFirstBlock(fd, size);
  }

  /** Advice to the file system, for a new file; best effort. Throws `invalid` for a hint beyond 32 bits. */
  hint(hints: FileHints): void {
    applyHints(this.#file.libc, this.#file.fd, hints);
  }

  /**
   * Copies within the kernel, if possible by sharing the blocks. Throws `unsupported` where these two files cannot; then
   * part of the range may have been copied.
   */
  async copyRange(from: FileStore, fromOffset: number, toOffset: number, length: number): Promise<void> {
    const end = toOffset + length;
    this.#within?.stop();
    this.#ahead?.fill(toOffset, end);
    this.#written = Math.max(this.#written, end);
    await copyRange(this.#file.libc, from.#file.fd, fromOffset, this.#file.fd, toOffset, length);
    this.#size = Math.max(this.#size, end);
  }

  async flush(): Promise<void> {
    if (!this.#file.durable) return;
    try {
      await syncData(this.#file.fd);
    } catch (error) {
      throw systemError(error, { file: this.name });
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.unlock();
    try {
      this.#ahead?.release(this.#size);
      this.#within?.release();
      if (this.#file.directFd !== null) await closeFile(this.#file.directFd);
      await closeFile(this.#file.fd);
    } catch (error) {
      throw systemError(error, { file: this.name });
    }
  }

  /**
   * After a failure, before `close`: removes the file if this opening created it, and empties it if this opening has
   * overwritten it, so that nothing looks like a finished image. Devices and files opened for editing are left.
   * Synchronous, so that it can be called when a signal ends the process.
   */
  discard(): Discarded {
    const { fd, created, fresh } = this.#file;
    if (!fresh) return 'left';
    if (created && this.#isStillAt(this.name)) {
      unlinkSync(this.name);
      return 'removed';
    }
    ftruncateSync(fd, 0);
    this.#size = 0;
    this.#ahead?.truncated();
    this.#within?.emptied();
    return 'emptied';
  }

  /**
   * The image could not be made: its file, which holds nothing any more, goes even if it was there before, as with
   * QEMU. Before `close`; what a symbolic link leads to stays.
   */
  remove(): void {
    if (this.#file.fresh && this.#isStillAt(this.name)) unlinkSync(this.name);
  }

  #isStillAt(path: string): boolean {
    const opened = fstatSync(this.#file.fd);
    const there = lstatSync(path, { throwIfNoEntry: false });
    return there !== undefined && there.dev === opened.dev && there.ino === opened.ino;
  }
}
