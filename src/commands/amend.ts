/** `amend`: changes options of an image that were chosen when it was made. */
import { ImageError } from '../errors.js';
import { findDriver } from '../formats/index.js';
import type { AmendableImage } from '../image/amend.js';
import type { ImageDriver } from '../image/driver.js';
import type { Image } from '../image/image.js';
import type { OptionTable } from '../image/options.js';
import { asksForHelp } from './blockdev.js';
import { cacheMode } from './cache-modes.js';
import { type OptionChoice, parseCreateOptions } from './create-options.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';

export interface AmendImageRequest extends ImageName, Trust {
  /** `-o`, joined by commas. */
  options: string;
  /** Cache mode of the image, as the user spells it. */
  cache: string;
  /** Also what cannot be undone. */
  force: boolean;
  signal?: AbortSignal | undefined;
}

export interface AmendEvents {
  /** The options are right, the work begins. */
  onStart(): void;
  onProgress(done: number, total: number): void;
}

/** What a format's images can be amended in. Throws `invalid` for a format that is not known, `unsupported` if it is nothing. */
export function amendTable(format: string): OptionTable {
  const driver = findDriver(format);
  if (driver === undefined) throw new ImageError('invalid', `Unknown file format '${format}'`);
  if (driver.amendOptions === undefined) throw notAmendable(format);
  return driver.amendOptions;
}

/**
 * Amends an image; the name of its format instead, and nothing done, if the options ask for help. Throws `ImageError`:
 * options that came before the one that failed are changed.
 */
export async function amendImage(
  platform: Platform,
  request: AmendImageRequest,
  events: AmendEvents,
): Promise<{ helpFor: string | null }> {
  const cache = cacheMode('cache option', request.cache);
  return ImageOpener.use(platform, request, async (opener) => {
    const { signal } = request;
    const settings = { cache, compress: false, keepAllocated: false, purpose: 'amend', signal } as const;
    const { node } = await opener.edit(request, settings);
    if (asksForHelp(request.options)) return { helpFor: node.driver.name };
    if (!isAmendable(node.image)) throw notAmendable(node.driver.name);
    const options = parseAmendOptions(request.options, node.driver);
    events.onStart();
    await node.image.amend({ options, force: request.force, onProgress: events.onProgress });
    return { helpFor: null };
  });
}

/** Throws `invalid`; a hint tells apart what could only be chosen for a new image. */
function parseAmendOptions(text: string, { amendOptions = [], createOptions }: ImageDriver): OptionChoice {
  try {
    return parseCreateOptions(text, amendOptions);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const ofNewImages = createOptions.filter(({ own, storage }) => own !== true && storage !== true);
    try {
      parseCreateOptions(text, [...amendOptions, ...ofNewImages]);
    } catch {
      throw error;
    }
    throw new ImageError(error.code, `${error.message}\nThis option is only supported for image creation`);
  }
}

function notAmendable(format: string): ImageError {
  return new ImageError('unsupported', `Format driver '${format}' does not support option amendment`);
}

function isAmendable(image: Image): image is AmendableImage {
  return 'amend' in image;
}
