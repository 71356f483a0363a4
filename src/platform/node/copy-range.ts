/** Copy offload: copy_file_range(2), which lets the file system or the server copy, or share, the blocks. */
import { constants } from 'node:os';
import { ImageError } from '../../errors.js';
import { errnoError } from './errno.js';
import type { Libc } from './libc.js';

/** Bytes a call, so that progress and cancellation are seen. */
const STEP = 16 * 1024 * 1024;

/** The kernel, or this pair of files, has no such thing. */
const { EBADF, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EXDEV } = constants.errno;
const INCAPABLE = [EBADF, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EXDEV];

/** Copies all of the range or throws: `unsupported` where copying by reading and writing may still work. */
export async function copyRange(
  libc: Libc | null,
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  length: number,
): Promise<void> {
  if (libc === null) throw new ImageError('unsupported', 'Operation not supported');
  for (let done = 0; done < length; ) {
    const step = Math.min(STEP, length - done);
    const copied = await libc.copyFileRange(from, fromOffset + done, to, toOffset + done, step);
    // Some file systems answer 0 instead of saying that they cannot; a source that shrank looks the same.
    if (copied === 0) throw new ImageError('unsupported', 'Operation not supported', { offset: toOffset + done });
    if (copied < 0) {
      const reason = errnoError(-copied, { offset: toOffset + done });
      throw INCAPABLE.includes(-copied) ? new ImageError('unsupported', reason.message, { cause: reason }) : reason;
    }
    done += copied;
  }
}
