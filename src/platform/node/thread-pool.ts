/**
 * How many threads libuv's pool gets: one for each request that may be in flight, or a single one.
 *
 * Where storage has to be waited for (a network file system, a device, a file that is not in memory), requests in flight
 * are threads that wait, and libuv's own four would be all that `-m 16` gets. Where nothing is waited for, one thread is
 * best: cached files are read on the main thread anyway, the kernel lets writes to one file take turns, and a thread
 * that always finds the next write in the queue need not be woken. On two processors each thread that wakes takes the main
 * thread's processor for a while, and those whose turn it is not spin on the other: a copy of 1.3 GB takes a sixth longer.
 *
 * libuv reads the environment when the pool gets its first job, and not again. So the variable always says what the files
 * opened so far call for; in a conversion the target comes last, and the first job after it.
 */
import { fstatSync } from 'node:fs';
import type { Libc } from './libc.js';
import type { OpenedFile } from './opened-file.js';

const VARIABLE = 'UV_THREADPOOL_SIZE';

/** As many as a conversion can have units in flight. */
const MANY = 16;

/** Of the blocks that a file has. The rest may be reserved and never written, and nobody reads that. */
const NEARLY_ALL = 0.9;

/** A file as it was opened. */
export interface PoolFile extends Pick<OpenedFile, 'fd' | 'kind' | 'fileSystem' | 'fresh' | 'libc'> {
  readonly isWritten: boolean;
  /** Transfers go past the page cache, or each write waits for the disk. */
  readonly isDirect: boolean;
}

/** What the files of a program call for; it has the process, and so the pool, to itself. */
export class ThreadPool {
  #isFitted = false;
  #mayWait = false;

  constructor(private readonly environment: NodeJS.ProcessEnv) {}

  /** Before any file is opened. A size that the user has chosen stays; without this call all stays as it is. */
  fit(): void {
    if (this.environment[VARIABLE] !== undefined) return;
    this.#isFitted = true;
    this.#setSize(MANY);
  }

  /** A file has been opened. As long as none is written there may be more to come: nothing is decided. */
  serves(file: PoolFile): void {
    if (!this.#isFitted) return;
    this.#mayWait ||= waits(file);
    if (this.#mayWait || file.isWritten) this.#setSize(this.#mayWait ? MANY : 1);
  }

  /** Other work than transfers goes to the pool, and would keep them from its only thread. */
  computes(): void {
    if (!this.#isFitted) return;
    this.#mayWait = true;
    this.#setSize(MANY);
  }

  #setSize(threads: number): void {
    this.environment[VARIABLE] = String(threads);
  }
}

/** That of this process. */
export const threadPool = new ThreadPool(process.env);

function waits({ fd, kind, fileSystem, fresh, libc, isDirect }: PoolFile): boolean {
  if (kind === 'device' || fileSystem === 'distant' || isDirect) return true;
  return !fresh && !isInMemory(libc, fd);
}

function isInMemory(libc: Libc | null, fd: number): boolean {
  if (libc === null) return false;
  const cached = libc.cachedBytes(fd);
  return cached >= 0 && cached >= fstatSync(fd).blocks * 512 * NEARLY_ALL;
}
