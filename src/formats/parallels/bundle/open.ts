/** Opening the disk that a descriptor describes, to read it or to check it. */
import { corrupt, ImageError } from '../../../errors.js';
import { BlockImage } from '../../../image/blocks/block-image.js';
import type { CheckableImage, CheckReport, CheckRequest } from '../../../image/check.js';
import type { DriverContext } from '../../../image/driver.js';
import type { Image } from '../../../image/image.js';
import { PlainImage } from '../../../image/plain/plain-image.js';
import type { ByteSource } from '../../../storage/storage.js';
import { checkTable } from '../check.js';
import { readHeader } from '../header.js';
import { ParallelsMap } from '../map.js';
import { partsOf } from '../parts.js';
import { type BundleDescriptor, type ImageFile, isDescriptor, readDescriptor, type Storage } from './descriptor.js';
import { BundleImage, type Layer, type OpenedStorage } from './image.js';

/** Files that one disk consists of at most: each of them is kept open. */
const MOST_FILES = 512;

/** A layer, and the file that it is in. */
interface OpenedLayer extends Layer {
  source: ByteSource;
}

/** The file is a descriptor of a bundle. */
export async function isBundle(source: ByteSource): Promise<boolean> {
  const head = new Uint8Array(Math.min(source.size, 4096));
  await source.read(0, head);
  return isDescriptor(head);
}

/** Throws `corrupt` or `unsupported`, and what opening one of the files throws. */
export async function openBundle(source: ByteSource, context: DriverContext): Promise<BundleImage> {
  return new BundleImage(await openStorages(source, context));
}

/** Throws the same. */
export async function openBundleForCheck(source: ByteSource, context: DriverContext): Promise<CheckableImage> {
  return new CheckedBundle(await openStorages(source, context));
}

/** Why a bundle is not changed. */
export function bundlesAreReadOnly(): ImageError {
  return new ImageError('unsupported', 'Parallels disks of several files cannot be written to');
}

class CheckedBundle extends BundleImage implements CheckableImage {
  constructor(private readonly opened: readonly (OpenedStorage & { layers: readonly OpenedLayer[] })[]) {
    super(opened);
  }

  /** All files of the disk, one after the other. Throws `unsupported` for repairs. */
  async check({ repair, ...request }: CheckRequest): Promise<CheckReport> {
    if (repair !== 'none') throw new ImageError('unsupported', 'Operation not supported');
    const reports: CheckReport[] = [];
    for (const { source, type } of this.opened.flatMap(({ layers }) => layers))
      if (type === 'Compressed') reports.push(await checkTable(source, null, { ...request, repair }));
    const sum = (count: (report: CheckReport) => number) => reports.reduce((all, each) => all + count(each), 0);
    return {
      corruptions: sum((report) => report.corruptions),
      leaks: sum((report) => report.leaks),
      checkErrors: sum((report) => report.checkErrors),
      corruptionsFixed: 0,
      leaksFixed: 0,
      clusters: {
        total: sum(({ clusters }) => clusters.total),
        allocated: sum(({ clusters }) => clusters.allocated),
        fragmented: sum(({ clusters }) => clusters.fragmented),
        compressed: 0,
      },
      imageEndOffset: 0,
    };
  }
}

async function openStorages(
  source: ByteSource,
  context: DriverContext,
): Promise<(OpenedStorage & { layers: readonly OpenedLayer[] })[]> {
  const descriptor = await readDescriptor(source);
  if (descriptor.storages.length * descriptor.chain.length > MOST_FILES)
    throw new ImageError('unsupported', `Parallels disks of more than ${MOST_FILES} files cannot be read`);
  const { location = { name: source.name, place: () => source.name } } = context;
  const place = location.place();
  const directory = place.slice(0, place.lastIndexOf('/') + 1);
  let index = 0;
  const opened = [];
  for (const storage of descriptor.storages) {
    const layers: OpenedLayer[] = [];
    for (const [guid, { type, file }] of filesOf(storage, descriptor)) {
      const fileName = file.startsWith('/') ? file : directory + file;
      const held = await context.openReference(fileName, 'read', `images.${index++}`);
      layers.push({ guid, type, fileName, source: held, image: await imageIn(held, type, fileName) });
    }
    checkSize(storage, layers[0]!);
    opened.push({ start: storage.start, end: storage.end, layers });
  }
  return opened;
}

/** The images of a storage that make the disk, the uppermost first. Only the last one can be plain. */
function filesOf({ start, images }: Storage, { chain }: BundleDescriptor): [guid: string, image: ImageFile][] {
  return chain.map((guid, index) => {
    const image = images.get(guid);
    if (image === undefined)
      throw corrupt(`The Parallels disk descriptor has no image ${guid} of the storage at byte ${start}`);
    if (image.type === 'Plain' && index < chain.length - 1)
      throw corrupt(`The image ${guid} of the Parallels disk is plain, but has a parent`);
    return [guid, image];
  });
}

/** What is wrong with the file is told with its name. */
async function imageIn(source: ByteSource, type: ImageFile['type'], fileName: string): Promise<Image> {
  if (type === 'Plain') return new PlainImage('parallels', source, { offset: 0, length: source.size }, true);
  try {
    const header = await readHeader(source);
    return new BlockImage({ ...partsOf(header), source, map: new ParallelsMap(source, header, null) });
  } catch (error) {
    throw error instanceof ImageError ? error.prefixed(`Could not open '${fileName}': `) : error;
  }
}

/** Lower images may be shorter, from before the disk grew. */
function checkSize({ start, end }: Storage, { image, fileName }: Layer): void {
  if (image.size >= end - start) return;
  throw corrupt(`'${fileName}' has ${image.size} bytes of disk, the Parallels disk needs ${end - start}`);
}
