/** `check`: looks for damage in an image, and repairs it. */
import { ImageError } from '../errors.js';
import type { CheckableImage, CheckEvents, CheckReport, Repair } from '../image/check.js';
import type { Image } from '../image/image.js';
import { cacheMode } from './cache-modes.js';
import { formatName } from './graph.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import { type ImageName, sharedForWriting, type Trust } from './settings.js';

export interface CheckImageRequest extends ImageName, Trust {
  /** Cache mode of the image, as the user spells it. */
  cache: string;
  share: boolean;
  repair: Repair;
}

export interface CheckImageEvents extends CheckEvents {
  /** Something was repaired; the image is going to be checked again. */
  onRepaired(report: CheckReport): void;
}

export interface CheckResult {
  format: string;
  /** The state of the image as it is left; `…Fixed` tell of the repairs. */
  report: CheckReport;
}

/** Returns null if there is no check, or no repair, for the format. Throws what opening throws, or `Check failed: …`. */
export function checkImage(
  platform: Platform,
  request: CheckImageRequest,
  events: CheckImageEvents,
): Promise<CheckResult | null> {
  const cache = cacheMode('source cache option', request.cache);
  return ImageOpener.use(platform, request, async (opener) => {
    if (request.repair !== 'none' && request.share)
      throw sharedForWriting().prefixed(`Could not open '${request.name}': `);
    const node = await opener.check(request, { cache, share: request.share }, request.repair !== 'none');
    const image = node.kind === 'image' ? node.image : null;
    if (image === null || !isCheckable(image)) return null;
    const report = await checkAndRepair(image, request.repair, cache !== 'unsafe', events).catch((error) => {
      if (isNoRepair(error)) return null;
      throw error instanceof ImageError ? error.prefixed('Check failed: ') : error;
    });
    return report === null ? null : { format: formatName(node), report };
  });
}

/** Checks again after repairs, so that the report tells what is left. */
async function checkAndRepair(
  image: CheckableImage,
  repair: Repair,
  flush: boolean,
  events: CheckImageEvents,
): Promise<CheckReport> {
  const report = await image.check({ repair, flush, events });
  const { corruptionsFixed, leaksFixed } = report;
  if (corruptionsFixed === 0 && leaksFixed === 0) return report;
  events.onRepaired(report);
  const left = await image.check({ repair: 'none', flush, events });
  return { ...left, corruptionsFixed, leaksFixed };
}

/** The format can be checked but not repaired, which is told as if it could not be checked. */
function isNoRepair(error: unknown): boolean {
  return error instanceof ImageError && error.code === 'unsupported' && error.message === 'Operation not supported';
}

function isCheckable(image: Image): image is CheckableImage {
  return 'check' in image;
}
