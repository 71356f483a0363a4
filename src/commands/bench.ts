/** `bench`: how fast an image answers many equal requests, so many of them at once. */
import { ImageError } from '../errors.js';
import { isPending, type MaybePromise } from '../maybe.js';
import { cacheMode } from './cache-modes.js';
import { ImageOpener } from './open.js';
import type { CacheMode, Platform } from './platform.js';
import { type ImageName, sharedForWriting, type Trust } from './settings.js';

/** The requests. */
export interface BenchLoad {
  count: number;
  /** So many are under way at once. */
  depth: number;
  /** Bytes of the disk at which the first one begins. */
  offset: number;
  /** Bytes of each. */
  size: number;
  /** Bytes from one to the next; what would lie behind the disk's end comes round from its start. */
  step: number;
  /** What writes write; null: the requests are reads. */
  pattern: number | null;
  /** A flush after so many requests; 0: none. */
  flushInterval: number;
  /** A flush comes when nothing else is under way. */
  drains: boolean;
}

export interface BenchRequest extends ImageName, Trust, BenchLoad {
  /** As the user spells it. */
  cache: string;
  share: boolean;
}

/** Returns the seconds that it took; `onStart` is called when the image is open. Throws `ImageError`. */
export async function benchImage(platform: Platform, request: BenchRequest, onStart: () => void): Promise<number> {
  const cache = cacheMode('cache mode', request.cache);
  return ImageOpener.use(platform, request, async (opener) => {
    const open = request.pattern === null ? openToRead : openToWrite;
    const disk = await open(opener, request, cache);
    onStart();
    const start = performance.now();
    await new BenchRun(disk, request).run();
    const seconds = (performance.now() - start) / 1000;
    await disk.finish?.();
    return seconds;
  });
}

async function openToRead(opener: ImageOpener, request: BenchRequest, cache: CacheMode): Promise<BenchDisk> {
  const { share, size } = request;
  const disk = await opener.disk(await opener.open(request, { cache, share, chain: true, content: true }));
  const free: Uint8Array[] = [];
  const ask = (offset: number): MaybePromise<void> => {
    const buffer = free.pop() ?? newBuffer(size);
    const back = () => void free.push(buffer);
    const pending = disk.read(offset, buffer);
    return isPending(pending) ? pending.then(back) : back();
  };
  return { size: disk.size, ask, flush: async () => {} };
}

async function openToWrite(opener: ImageOpener, request: BenchRequest, cache: CacheMode): Promise<BenchDisk> {
  const { size, pattern, share } = request;
  if (share) throw sharedForWriting().prefixed(`Could not open '${request.name}': `);
  const { editor } = await opener.edit(request, { cache, compress: false, keepAllocated: false });
  const bytes = newBuffer(size).fill(pattern!);
  return {
    size: editor.size,
    ask: (offset) => editor.write(offset, bytes),
    flush: () => editor.flush(),
    finish: () => editor.finish(),
  };
}

function newBuffer(size: number): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw new ImageError('io', 'Cannot allocate memory', { cause });
  }
}

/** What the requests go to. */
export interface BenchDisk {
  readonly size: number;
  /** One request. */
  ask(offset: number): MaybePromise<void>;
  flush(): Promise<void>;
  finish?(): Promise<void>;
}

/** Sends the requests of one run. */
export class BenchRun {
  /** Requests that have not ended. */
  #left: number;
  #inFlight = 0;
  #offset: number;
  /** Requests that have ended and were not seen to yet. */
  #ended = 0;
  #failure: unknown;
  #wake: (() => void) | null = null;

  constructor(
    private readonly disk: BenchDisk,
    private readonly load: BenchLoad,
  ) {
    this.#left = load.count;
    this.#offset = load.offset;
  }

  async run(): Promise<void> {
    const { flushInterval, drains } = this.load;
    const flushes: Promise<void>[] = [];
    this.#send();
    while (this.#left > 0) {
      if (this.#ended === 0) await this.#nextEnd();
      if (this.#failure !== undefined) throw failed('request', this.#failure);
      this.#ended--;
      const unsent = this.#left-- - this.#inFlight--;
      if (flushInterval > 0 && unsent % flushInterval === 0) {
        if (!drains) flushes.push(this.#flush('flush request'));
        else if (this.#inFlight > 0) continue;
        else await this.#flush('request');
      }
      this.#send();
    }
    await Promise.all(flushes);
  }

  async #flush(what: string): Promise<void> {
    try {
      await this.disk.flush();
    } catch (error) {
      throw failed(what, error);
    }
  }

  #send(): void {
    const { depth, step } = this.load;
    while (this.#failure === undefined && this.#left > this.#inFlight && this.#inFlight < depth) {
      const offset = this.#offset;
      this.#inFlight++;
      this.#offset = this.disk.size === 0 ? 0 : (offset + step) % this.disk.size;
      this.#ask(offset);
    }
  }

  #ask(offset: number): void {
    try {
      if (offset + this.load.size > this.disk.size) throw new ImageError('io', 'Input/output error', { offset });
      const pending = this.disk.ask(offset);
      if (isPending(pending)) {
        pending.then(
          () => this.#end(),
          (error) => this.#fail(error),
        );
      } else this.#end();
    } catch (error) {
      this.#fail(error);
    }
  }

  #end(): void {
    this.#ended++;
    this.#wake?.();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#end();
  }

  #nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }
}

function failed(what: string, error: unknown): unknown {
  return error instanceof ImageError ? error.prefixed(`Failed ${what}: `) : error;
}
