/** Advice to the file system about a new file: ioctl_iflags(2), and ioctl_xfs_fsgetxattr(2) which others took over. */
import { viewOf } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { FileHints } from '../../storage/storage.js';
import type { Libc } from './libc.js';

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_NOCOW_FL = 0x00800000;

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_XFLAG_EXTSIZE = 0x800;
/** `struct fsxattr`: flags, extent size hint, and 20 more bytes. */
const FSXATTR_SIZE = 28;

/** Applies what the file system knows of; the rest is of no consequence. Throws `invalid` for a hint beyond 32 bits. */
export function applyHints(libc: Libc | null, fd: number, { nocow, extentSize }: FileHints): void {
  if (extentSize !== undefined && extentSize > 0xffffffff)
    throw new ImageError('invalid', 'Extent size hint is too large');
  if (libc === null) return;
  if (nocow) setFlags(libc, fd);
  if (extentSize !== undefined) setExtentSize(libc, fd, extentSize);
}

function setFlags(libc: Libc, fd: number): void {
  const flags = new Uint8Array(8);
  if (libc.ioctl(fd, FS_IOC_GETFLAGS, flags) < 0) return;
  const view = viewOf(flags);
  view.setUint32(0, view.getUint32(0, true) | FS_NOCOW_FL, true);
  libc.ioctl(fd, FS_IOC_SETFLAGS, flags);
}

function setExtentSize(libc: Libc, fd: number, bytes: number): void {
  const attributes = new Uint8Array(FSXATTR_SIZE);
  if (libc.ioctl(fd, FS_IOC_FSGETXATTR, attributes) < 0) return;
  const view = viewOf(attributes);
  view.setUint32(0, view.getUint32(0, true) | FS_XFLAG_EXTSIZE, true);
  view.setUint32(4, bytes, true);
  libc.ioctl(fd, FS_IOC_FSSETXATTR, attributes);
}
