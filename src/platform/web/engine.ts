/** A conversion in the browser, from a Blob to a file handle; runs in a dedicated worker. */
import { convertImage } from '../../convert/convert.js';
import { ImageError } from '../../errors.js';
import { findDriver, probeDriver } from '../../formats/index.js';
import type { DriverContext, ImageDriver } from '../../image/driver.js';
import type { Image, ImageWriter } from '../../image/image.js';
import type { ByteSource } from '../../storage/storage.js';
import { BlobSource } from './blob-source.js';
import { createWebKernels } from './kernels.js';
import type { ConvertProgress, ConvertReport, ConvertRequest } from './protocol.js';
import { openTarget, type Target } from './target.js';

/** Bytes of a run: a slice of a Blob costs the same whatever its length, so runs are long. */
const RUN_SIZE = 1024 * 1024;
/** Shortest stretch of zeros, in bytes, that is left out: as `qemu-img convert`. */
const SPARSE = 4096;
/** Milliseconds between two reports of progress. */
const REPORT_MS = 50;
/** Bytes of the file's beginning and end that probing looks at. */
const PROBE = 64 * 1024;

/** Converts, and finishes or abandons the target. */
export async function runConversion(
  request: ConvertRequest,
  onProgress: (progress: ConvertProgress) => void,
  signal: AbortSignal,
): Promise<ConvertReport> {
  const kernels = await createWebKernels({ workers: request.workers });
  const context = { kernels, openReference: refuseReference };
  try {
    const source = await openSource(request, context);
    try {
      const target = await openTarget(request.target);
      return await intoTarget({ request, source, target, context, onProgress, signal });
    } finally {
      await source.close();
    }
  } finally {
    await kernels.close();
  }
}

interface Job {
  request: ConvertRequest;
  source: Image;
  target: Target;
  context: DriverContext;
  onProgress(progress: ConvertProgress): void;
  signal: AbortSignal;
}

async function intoTarget({ request, source, target, context, onProgress, signal }: Job): Promise<ConvertReport> {
  const total = source.size;
  let writer: ImageWriter | undefined;
  try {
    writer = await createTarget(request, total, target, context);
    const { parallel } = request;
    await convertImage(source, writer, context.kernels, {
      parallel,
      outOfOrder: false,
      sparse: SPARSE,
      targetBacking: null,
      runSize: RUN_SIZE,
      signal,
      onProgress: everySoOften((done) => onProgress({ phase: 'converting', done, total })),
    });
    onProgress({ phase: 'finalising', done: total, total });
    await writer.close();
  } catch (thrown) {
    await target.abandon();
    await writer?.close().catch(() => {});
    throw thrown;
  }
  return { sourceFormat: source.format, diskSize: total, fileSize: target.store.size };
}

async function openSource(request: ConvertRequest, context: DriverContext): Promise<Image> {
  const { sourceName, sourceFormat } = request;
  const source = new BlobSource(request.source, sourceName);
  const driver = sourceFormat === null ? await probe(source) : driverNamed(sourceFormat);
  if (driver.open === undefined) throw new ImageError('unsupported', `Format '${driver.name}' cannot be read`);
  const image = await driver.open(source, context);
  const problem = image.unreadable ?? (image.backing === null ? null : missingBacking(image.backing.name));
  if (problem === null) return image;
  await image.close();
  throw problem.prefixed(`Could not open '${sourceName}': `);
}

async function probe(source: ByteSource): Promise<ImageDriver> {
  const length = Math.min(PROBE, source.size);
  const [head, tail] = [new Uint8Array(length), new Uint8Array(length)];
  await source.read(0, head);
  await source.read(source.size - length, tail);
  return probeDriver({ head, tail, size: source.size, fileName: source.name });
}

function driverNamed(name: string): ImageDriver {
  const driver = findDriver(name);
  if (driver === undefined) throw new ImageError('invalid', `Unknown driver '${name}'`);
  return driver;
}

async function createTarget(
  { format, compress, options }: ConvertRequest,
  size: number,
  { store }: Target,
  context: DriverContext,
): Promise<ImageWriter> {
  const driver = driverNamed(format);
  if (driver.create === undefined) throw new ImageError('unsupported', `Format '${format}' cannot be written`);
  if (compress && !driver.compresses)
    throw new ImageError('unsupported', `Compression not supported for this file format`);
  return driver.create(store, { size, options, compress, flush: false }, context);
}

/** An image may name other files; a page has none but the one that was picked. */
async function refuseReference(name: string): Promise<never> {
  throw new ImageError('external', `The image needs the file '${name}', which was not given`, { file: name });
}

function missingBacking(name: string): ImageError {
  return new ImageError('external', `The image needs its backing file '${name}', which was not given`, { file: name });
}

/** Passes on what comes at least `REPORT_MS` after the last, so that the page is not drowned in messages. */
function everySoOften(report: (done: number) => void): (done: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (done) => {
    const now = performance.now();
    if (now - last < REPORT_MS) return;
    last = now;
    report(done);
  };
}
