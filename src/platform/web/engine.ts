/** A conversion in the browser, from Blobs to a file or folder; runs in a dedicated worker. */
import type * as Comlink from 'comlink';
import { CONVERT_DEFAULTS, type ConvertRequest as Command, convert } from '../../commands/convert.js';
import { optionText } from '../../commands/create-options.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { HelperHost } from './helpers.js';
import type { Traffic } from './picked-file.js';
import { commandName, webPlatform } from './platform.js';
import type { ConvertProgress, ConvertReport, ConvertRequest } from './protocol.js';
import { everySoOften } from './reports.js';
import { pickedFiles, sourcesOf, trustOf } from './source.js';
import { TargetFiles } from './target-files.js';

/** What a task hears and obeys while it runs. */
export interface Control {
  readonly traffic: Traffic;
  readonly host: Comlink.Remote<HelperHost>;
  readonly signal: AbortSignal;
}

/** Converts, and finishes the target or takes it away. Closes `kernels`. */
export async function runConversion(
  request: ConvertRequest,
  kernels: Kernels,
  onProgress: (progress: ConvertProgress) => void,
  { traffic, signal }: Control,
): Promise<ConvertReport> {
  const { meter } = traffic;
  let diskSize = 0;
  const report = (phase: ConvertProgress['phase'], done: number) =>
    onProgress({ phase, done, total: diskSize, bytesRead: meter.read, bytesWritten: meter.written });
  const onFinalising = () => report('finalising', diskSize);
  const target = new TargetFiles(commandName(request.targetName), request.target, traffic, onFinalising);
  const platform = webPlatform(kernels, { picked: pickedFiles(request.source), target, traffic });
  try {
    const written = await convert(platform, commandOf(request, signal), {
      onProgress: everySoOften((done, total) => {
        diskSize = total;
        report('converting', done);
      }),
    });
    return { ...written, diskSize, ...target.written() };
  } catch (error) {
    await target.remove();
    throw error;
  } finally {
    await kernels.close();
  }
}

/** The command line that says the same; what a page cannot ask for is at its default. */
function commandOf(request: ConvertRequest, signal: AbortSignal): Command {
  const { source, targetName, format, compress, options, padding, reproducible, parallel } = request;
  return {
    ...CONVERT_DEFAULTS,
    ...trustOf(source),
    ...sourcesOf(source, padding),
    snapshot: source.snapshot === null ? null : { idOrName: source.snapshot },
    target: commandName(targetName),
    targetFormat: format,
    compress,
    options: optionText(options),
    identity: { reproducible },
    parallel,
    signal,
    sourceCache: 'unsafe',
  };
}
