/** A conversion in the browser, from Blobs to a file handle; runs in a dedicated worker. */
import { CONVERT_DEFAULTS, type ConvertRequest as Command, convert } from '../../commands/convert.js';
import { optionText } from '../../commands/create-options.js';
import { createWebKernels } from './kernels.js';
import { commandName, TargetFile, webPlatform } from './platform.js';
import type { ConvertProgress, ConvertReport, ConvertRequest } from './protocol.js';

/** Milliseconds between two reports of progress. */
const REPORT_MS = 50;

/** Converts, and finishes the target or takes it away. */
export async function runConversion(
  request: ConvertRequest,
  onProgress: (progress: ConvertProgress) => void,
  signal: AbortSignal,
): Promise<ConvertReport> {
  const kernels = await createWebKernels({ workers: request.workers });
  let diskSize = 0;
  const onFinalising = () => onProgress({ phase: 'finalising', done: diskSize, total: diskSize });
  const target = new TargetFile(commandName(request.targetName), request.target, onFinalising);
  const picked = new Map(request.files.map(({ name, blob }) => [name, blob]));
  try {
    const written = await convert(webPlatform(kernels, picked, target), commandOf(request, signal), {
      onProgress: everySoOften((done, total) => {
        diskSize = total;
        onProgress({ phase: 'converting', done, total });
      }),
    });
    return { ...written, diskSize, fileSize: target.size };
  } catch (error) {
    await target.remove();
    throw error;
  } finally {
    await kernels.close();
  }
}

/** The command line that says the same; what a page cannot ask for is at its default. */
function commandOf(request: ConvertRequest, signal: AbortSignal): Command {
  const { source, sourceFormat, targetName, format, compress, options, parallel } = request;
  return {
    ...CONVERT_DEFAULTS,
    sources: [commandName(source)],
    sourceFormat,
    target: commandName(targetName),
    targetFormat: format,
    compress,
    options: optionText(options),
    parallel,
    signal,
    // A reference can only lead to another file that was picked.
    allowExternal: true,
    sourceCache: 'unsafe',
  };
}

/** Passes on the end, and else what comes `REPORT_MS` after the last: a page must not drown in messages. */
function everySoOften(report: (done: number, total: number) => void): (done: number, total: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const now = performance.now();
    if (now - last < REPORT_MS && done < total) return;
    last = now;
    report(done, total);
  };
}
