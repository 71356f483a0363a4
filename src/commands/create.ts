/** `create`: a new, empty image. */
import { isExact } from '../bytes.js';
import { ImageError } from '../errors.js';
import { findDriver } from '../formats/index.js';
import type { IdentityWishes } from '../image/identity.js';
import { type OptionChoice, parseCreateOptions, printOptions } from './create-options.js';
import { formatName } from './graph.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { Trust } from './settings.js';
import { addBackingOptions, type Creation, findCreation, startImage } from './target.js';

export interface CreateRequest extends Trust {
  fileName: string;
  format: string;
  /** Bytes; null: the backing file's. */
  size: number | null;
  /** `-o`, joined by commas; null: none. */
  options: string | null;
  backingFile: string | null;
  backingFormat: string | null;
  /** The backing file need not be there (-u). */
  unsafeBacking: boolean;
  identity?: IdentityWishes | undefined;
}

/** Makes an image; `onFormatting` is told what is going to be made, as `qemu-img` words it. Throws `FILE: …`. */
export async function createImage(
  platform: Platform,
  request: CreateRequest,
  onFormatting: (line: string) => void,
): Promise<void> {
  try {
    await ImageOpener.use(platform, request, (opener) => create(opener, request, onFormatting));
  } catch (error) {
    throw error instanceof ImageError ? error.prefixed(`${request.fileName}: `) : error;
  }
}

async function create(
  opener: ImageOpener,
  request: CreateRequest,
  onFormatting: (line: string) => void,
): Promise<void> {
  const { fileName, format } = request;
  const creation = findCreation(opener, format, fileName);
  const values = gatherValues(request, creation);
  const backingSize = await checkBacking(opener, request, values);
  values.size ??= backingSize ?? undefined;
  if (values.size === undefined) throw new ImageError('invalid', 'Image creation needs a size parameter');
  onFormatting(`Formatting '${fileName}', fmt=${format} ${printOptions(values, creation.table)}`);
  checkBackingFormat(values, creation);
  if (!isExact(BigInt(values.size as number))) throw tooLarge(creation);
  const { writer } = await startImage(opener, creation, {
    fileName,
    size: Number(values.size),
    values,
    backingSize,
    compress: false,
    cache: 'writeback',
    keepAllocated: false,
    empty: true,
    identity: request.identity,
  }).catch((error) => {
    throw isTooLarge(error) || (error instanceof ImageError && isTooLarge(error.cause)) ? tooLarge(creation) : error;
  });
  await writer.finish();
}

/** A name that is given to an image without looking at the file has to be one of a format. */
function checkBackingFormat({ backing_fmt: format }: OptionChoice, { driver }: Creation): void {
  if (format === undefined || findDriver(String(format)) !== undefined) return;
  const why = driver.unknownBackingFormat?.(String(format));
  throw new ImageError('invalid', why ?? `Parameter 'backing-fmt' does not accept value '${format}'`);
}

/** What the system would say of such a file, or a format of such a disk. */
function isTooLarge(error: unknown): boolean {
  return error instanceof ImageError && error.message.endsWith('File too large');
}

function tooLarge({ driver, table }: Creation): ImageError {
  const hint = table.some(({ name }) => name === 'cluster_size') ? ' (try using a larger cluster size)' : '';
  return new ImageError('invalid', `The image size is too large for file format '${driver.name}'${hint}`);
}

function gatherValues(request: CreateRequest, creation: Creation): OptionChoice {
  const { fileName, options, size, backingFile, backingFormat } = request;
  const values = options === null ? {} : parseCreateOptions(options, creation.table);
  if (size !== null) {
    if (values.size !== undefined) throw new ImageError('invalid', 'The image size must be specified only once');
    values.size = size;
  }
  addBackingOptions(values, creation, backingFile, backingFormat);
  if (values.backing_file === fileName) {
    throw new ImageError('invalid', 'Error: Trying to create an image with the same filename as the backing file');
  }
  if (values.backing_file === '') throw new ImageError('invalid', 'Expected backing file name, got empty string');
  return values;
}

/** The size of the backing file's disk; null: there is none, or it is not to be looked at. */
async function checkBacking(opener: ImageOpener, request: CreateRequest, values: OptionChoice): Promise<number | null> {
  const { backing_file: name, backing_fmt: format } = values;
  if (name === undefined) return null;
  const missing = 'Backing file specified without backing format';
  if (request.unsafeBacking) {
    if (format === undefined) throw new ImageError('invalid', missing);
    return null;
  }
  const settings = { cache: 'writeback', share: true, chain: true, content: false } as const;
  const wanted = format === undefined ? null : String(format);
  const node = await opener.openBacking(request.fileName, String(name), wanted, settings).catch(explain);
  if (wanted === null) throw new ImageError('invalid', `${missing}\nDetected format of ${formatName(node)}.`);
  return (await opener.layer(node)).size;
}

function explain(error: unknown): never {
  if (!(error instanceof ImageError)) throw error;
  throw new ImageError(error.code, `${error.message}\nCould not open backing image.`, { cause: error });
}
