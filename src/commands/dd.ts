/** `dd`: copies a part of a disk, counted in blocks, to a new image. */
import { convertImage } from '../convert/convert.js';
import { ImageError } from '../errors.js';
import type { IdentityWishes } from '../image/identity.js';
import { SliceImage } from '../image/slice.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';
import { findCreation, startImage } from './target.js';

export interface DdRequest extends Trust {
  identity?: IdentityWishes | undefined;
  source: ImageName;
  share: boolean;
  target: string;
  targetFormat: string;
  /** Bytes. */
  blockSize: number;
  /** Blocks of the disk, counted from its start, those that are skipped included; null: all. */
  count: number | null;
  /** Blocks that are left out at the start. */
  skip: number;
}

/** Runs of the pipeline that are in flight. */
const PARALLEL = 8;

/**
 * All is written, zeros too. Throws `error while …`; where the skipped part is larger than the disk, an empty image is
 * made and a warning says so.
 */
export async function copyBlocks(platform: Platform, request: DdRequest): Promise<void> {
  const { source: name, share, target, blockSize, count, skip } = request;
  await ImageOpener.use(platform, request, async (opener) => {
    const settings = { cache: 'writeback', share, chain: true, content: true } as const;
    const disk = await opener.disk(await opener.open(name, settings));
    const creation = findCreation(opener, request.targetFormat, target);
    const end = count === null ? disk.size : Math.min(disk.size, count * blockSize);
    const start = skip * blockSize;
    const size = Math.max(0, end - start);
    const image = {
      fileName: target,
      size,
      values: { size },
      backingSize: null,
      compress: false,
      cache: 'writeback',
      keepAllocated: true,
      identity: request.identity,
    } as const;
    const { writer, storage } = await startImage(opener, creation, image).catch((error) => {
      throw error instanceof ImageError ? error.prefixed(`${target}: error while creating output image: `) : error;
    });
    if (start > end) request.onWarning?.(`${name.name}: cannot skip to specified offset`);
    await convertImage(new SliceImage(disk, Math.min(start, end), size), writer, platform.kernels, {
      parallel: PARALLEL,
      outOfOrder: false,
      sparse: 0,
      targetBacking: null,
      runSize: storage.store.transfer,
    });
  });
}
