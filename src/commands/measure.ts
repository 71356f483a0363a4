/** `measure`: what a new image would take, of a size or with the content of another one. */
import { ImageError } from '../errors.js';
import { findDriver } from '../formats/index.js';
import type { Measurement, MeasureRequest } from '../image/measure.js';
import { parseCreateOptions, pickOptions } from './create-options.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';
import { loadSnapshot, type SnapshotChoice } from './snapshots.js';
import { findCreation } from './target.js';

export interface MeasureImageRequest extends Trust {
  /** The format of the new image. */
  targetFormat: string;
  /** `-o`, joined by commas; null: none. */
  options: string | null;
  /** Guest disk in bytes; or the image that is to be converted. */
  source: { size: bigint } | (ImageName & { snapshot: SnapshotChoice | null; share: boolean });
}

/** Throws `ImageError`; where the cause is one too, `qemu-img` tells both. */
export async function measureImage(platform: Platform, request: MeasureImageRequest): Promise<Measurement> {
  return ImageOpener.use(platform, request, async (opener) => {
    const { source, targetFormat } = request;
    const content = 'size' in source ? null : await openSource(opener, source);
    const cannot = `Block driver '${targetFormat}' does not support size measurement`;
    if (findDriver(targetFormat) === undefined && opener.knowsDriver(targetFormat))
      throw new ImageError('unsupported', cannot);
    // The options are those of a file.
    const { driver, table } = findCreation(opener, targetFormat, '.');
    const values = request.options === null ? {} : parseOptions(request.options, table, targetFormat);
    if (driver.measure === undefined) throw new ImageError('unsupported', cannot);
    return driver.measure(
      {
        size: 'size' in source ? source.size : BigInt(content!.disk.size),
        options: pickOptions(values, driver.createOptions),
        source: content,
      },
      opener.driverContext('writeback'),
    );
  });
}

async function openSource(
  opener: ImageOpener,
  { snapshot, share, ...name }: ImageName & { snapshot: SnapshotChoice | null; share: boolean },
): Promise<MeasureRequest['source']> {
  const node = await opener.open(name, { cache: 'writeback', share, chain: true, content: true });
  const layer = snapshot === null ? await opener.layer(node) : await loadSnapshot(node, snapshot);
  return { disk: await opener.disk(node, layer), bitmaps: layer.bitmaps };
}

function parseOptions(
  text: string,
  table: Parameters<typeof parseCreateOptions>[1],
  format: string,
): ReturnType<typeof parseCreateOptions> {
  try {
    return parseCreateOptions(text, table);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new ImageError('invalid', `Invalid options for file format '${format}'`, { cause: error });
  }
}
