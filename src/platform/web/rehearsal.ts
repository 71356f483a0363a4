/**
 * A conversion of a few bytes from memory to memory, for an engine that waits: afterwards the browser has compiled what
 * the first run of a real one takes, and the run buffers are there.
 */
import { CONVERT_DEFAULTS, convert } from '../../commands/convert.js';
import type { Kernels } from '../../kernels/kernels.js';
import { MemoryStore } from '../../storage/memory.js';
import { BlobSource } from './blob-source.js';
import type { Traffic } from './picked-file.js';
import { type NewFiles, webPlatform } from './platform.js';

/** Bytes: a run of the largest size. */
const RUN = BlobSource.TRANSFER;
/** Three runs: from the second on a Blob is read as a stream. */
const DISK = 3 * RUN;

/** In `traffic` nothing of it is counted. */
export async function rehearse(kernels: Kernels, traffic: Traffic): Promise<void> {
  touchBuffers(kernels);
  const picked = new Map([['source', new Blob([new Uint8Array(DISK).fill(1)])]]);
  const uncounted = { ...traffic, meter: { read: 0, written: 0 }, opened: new Set<string>() };
  await convert(webPlatform(kernels, { picked, target: inMemory, traffic: uncounted }), {
    ...CONVERT_DEFAULTS,
    sources: ['source'],
    sourceFormat: 'raw',
    target: 'target',
    targetFormat: 'qcow2',
    sourceCache: 'unsafe',
  });
}

/** Memory is there once it has been written to, page by page. */
function touchBuffers(kernels: Kernels): void {
  const buffers = Array.from({ length: CONVERT_DEFAULTS.parallel }, () => kernels.buffer(RUN));
  for (const { bytes, release } of buffers) {
    bytes.fill(0);
    release();
  }
}

const inMemory: NewFiles = {
  takes: (path) => path === 'target',
  create: async (path) => ({ store: new MemoryStore(path), discard() {} }),
};
