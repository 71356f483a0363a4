/** New images: what `create` and `convert` have in common. */
import { ImageError } from '../errors.js';
import { findDriver } from '../formats/index.js';
import type { CreateRequest, ImageDriver } from '../image/driver.js';
import { derivedIdentity, freshIdentity, type Identity, type IdentityWishes } from '../image/identity.js';
import type { ImageWriter } from '../image/image.js';
import { type OptionTable, storagePreallocation } from '../image/options.js';
import { joinTables, type OptionChoice, pickOptions } from './create-options.js';
import type { ImageOpener } from './open.js';
import type { CacheMode, OpenStorage } from './platform.js';

/** A protocol as a format: a raw disk in a place of this kind. */
const PLACES: ReadonlyMap<string, RegExp> = new Map([
  ['file', /^/],
  ['host_device', /^\/dev\//],
  ['nbd', /^nbd(\+unix)?:/],
]);

/** The driver's name; throws `unsupported` for a place that is not there already and cannot be made. */
function driverNameOf(format: string, fileName: string | null): string {
  const place = PLACES.get(format);
  if (place === undefined) return format;
  if (fileName !== null && !place.test(fileName))
    throw new ImageError(
      'unsupported',
      `Protocol driver '${format}' does not support creating new images, so an existing image must be selected as the target`,
    );
  return 'raw';
}

/** A driver that can create, and all the options that it and the protocol of the file name take. */
export interface Creation {
  driver: ImageDriver;
  create: NonNullable<ImageDriver['create']>;
  table: OptionTable;
}

/** Throws `invalid` or `unsupported` for what cannot be created. `fileName` null: the format alone. */
export function findCreation(opener: ImageOpener, format: string, fileName: string | null): Creation {
  const driver = findDriver(driverNameOf(format, fileName));
  if (driver === undefined) throw new ImageError('invalid', `Unknown file format '${format}'`);
  const protocol = fileName === null ? null : opener.protocolOf(fileName);
  const { create, createOptions } = driver;
  if (create === undefined)
    throw new ImageError('unsupported', `Format driver '${format}' does not support image creation`);
  if (protocol?.createOptions === null)
    throw new ImageError('unsupported', `Protocol driver '${protocol.names[0]}' does not support image creation`);
  return { driver, create, table: joinTables(createOptions, protocol?.createOptions ?? []) };
}

/** Puts -B and -F among the options. Throws `unsupported` for a format without backing files. */
export function addBackingOptions(
  values: OptionChoice,
  { table, driver }: Creation,
  backingFile: string | null,
  backingFormat: string | null,
): void {
  const put = (name: string, value: string | null, what: string) => {
    if (value === null) return;
    if (!table.some((row) => row.name === name))
      throw new ImageError('unsupported', `${what} not supported for file format '${driver.name}'`);
    values[name] = value;
  };
  put('backing_file', backingFile, 'Backing file');
  put('backing_fmt', backingFormat, 'Backing file format');
}

export interface NewImage {
  fileName: string;
  /** Guest disk in bytes. */
  size: number;
  values: OptionChoice;
  /** The backing file's disk in bytes; null: unknown, or there is none. */
  backingSize: number | null;
  compress: boolean;
  cache: CacheMode;
  keepAllocated: boolean;
  /** Nothing is going to be placed; absent: the image is filled. */
  empty?: boolean;
  /** Absent: fresh. */
  identity?: IdentityWishes | undefined;
  signal?: AbortSignal | undefined;
}

/** A new image that is to be filled. */
export interface StartedImage {
  writer: ImageWriter;
  storage: OpenStorage;
}

/** Creates the storage and in it an empty image; returns what fills it. */
export async function startImage(opener: ImageOpener, creation: Creation, image: NewImage): Promise<StartedImage> {
  const { fileName, size, values, backingSize, compress, cache, keepAllocated, signal } = image;
  const { driver, create } = creation;
  checkPreallocation(driver, values);
  const storage = await opener.create(fileName, { mode: 'create', cache, share: false, keepAllocated, signal });
  const { store } = storage;
  if (!driver.createOptions.some(({ name }) => name === 'nocow')) {
    const { nocow, extent_size_hint: hint } = values;
    store.hint?.({ nocow: nocow === true, extentSize: hint === undefined ? undefined : Number(hint) });
  }
  const { backing_file: name, backing_fmt: format } = values;
  const backing = {
    name: String(name),
    format: String(format),
    size: backingSize,
    async open() {
      const settings = { cache, share: true, chain: false, content: false, signal } as const;
      return opener.layer(await opener.openBacking(fileName, String(name), null, settings));
    },
  };
  const request = {
    size,
    options: pickOptions(values, driver.createOptions),
    ...(name === undefined ? {} : { backing }),
    compress,
    flush: cache !== 'unsafe',
    ...(image.empty ? { empty: true } : {}),
  };
  const context = {
    ...opener.driverContext(cache, signal),
    identity: identityOf(opener, driver, request, image.identity),
  };
  try {
    return { writer: await create.call(driver, store, request, context), storage };
  } catch (error) {
    storage.remove?.();
    throw error;
  }
}

/** Where it is the storage's option, it takes the storage's values. Throws `unsupported`, `invalid`. */
function checkPreallocation({ createOptions }: ImageDriver, { preallocation = 'off' }: OptionChoice): void {
  const row = createOptions.find(({ name }) => name === 'preallocation');
  const isKnown = row?.values?.some((value) => value === preallocation) ?? false;
  if (!isKnown && (row === undefined || row.storage)) storagePreallocation(preallocation);
}

/** Derived from all that makes the file what it is, but neither from the disk's content nor from any file's name. */
function identityOf(
  opener: ImageOpener,
  driver: ImageDriver,
  { size, options, backing, compress }: CreateRequest,
  { reproducible = false, time }: IdentityWishes = {},
): Identity {
  if (!reproducible) return freshIdentity(time);
  const seed = JSON.stringify([driver.name, size, Object.entries(options).sort(), backing?.name ?? null, compress]);
  return derivedIdentity(opener.platform.crypto, seed, time);
}
