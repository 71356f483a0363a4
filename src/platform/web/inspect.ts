/** Looking at an image without reading it; runs in a dedicated worker. */
import { inspectImage, surveyImage } from '../../commands/inspect.js';
import type { Platform } from '../../commands/platform.js';
import { drivers } from '../../formats/index.js';
import type { Survey } from '../../image/survey.js';
import type { Control } from './engine.js';
import { createWebKernels } from './kernels.js';
import { webPlatform } from './platform.js';
import type { FormatInfo, Inspection, SourceRequest } from './protocol.js';
import { REPORT_MS } from './reports.js';
import { imageName, pickedFiles, trustOf } from './source.js';

/** All formats, in the order of the driver table. */
export function listFormats(): FormatInfo[] {
  return drivers.map(({ name, open, create, compresses, createOptions, runtimeOptions = [] }) => ({
    name,
    reads: open !== undefined,
    writes: create !== undefined,
    compresses,
    options: createOptions,
    keyOption: runtimeOptions.find((row) => row.name.endsWith('key-secret'))?.name ?? null,
  }));
}

/** What the image says of itself. Throws what opening it throws. */
export async function runInspection(source: SourceRequest, control: Control): Promise<Inspection> {
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);
  return withPlatform(source, control, async (platform) => {
    const request = { ...imageName(source), ...trustOf(source), onWarning };
    const { layers, trouble, partitions } = await inspectImage(platform, request);
    return {
      layers,
      trouble: trouble?.toPlain() ?? null,
      partitions,
      warnings: [...new Set(warnings)],
      files: [...control.traffic.opened],
    };
  });
}

/** Where the disk has data, in `cells` cells; told every now and then. */
export async function runSurvey(
  source: SourceRequest,
  cells: number,
  onSurvey: (survey: Survey) => void,
  control: Control,
): Promise<null> {
  let last = performance.now();
  await withPlatform(source, control, (platform) =>
    surveyImage(platform, { ...imageName(source), ...trustOf(source), cells }, (survey) => {
      const now = performance.now();
      if (now - last >= REPORT_MS || survey.known === cells) {
        last = now;
        onSurvey(survey);
      }
      return !control.signal.aborted;
    }),
  );
  return null;
}

async function withPlatform<T>(
  source: SourceRequest,
  { traffic }: Control,
  work: (platform: Platform) => Promise<T>,
): Promise<T> {
  const kernels = await createWebKernels({ workers: 0 });
  try {
    return await work(webPlatform(kernels, { picked: pickedFiles(source), target: null, traffic }));
  } finally {
    await kernels.close();
  }
}
