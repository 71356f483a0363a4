/** What the file system means for how a file is best read and written. */
import { statfsSync } from 'node:fs';

/** 'distant': it may be a network away, so that each request takes a while; also what is not known. */
export type FileSystem = 'ext4' | 'local' | 'distant';

/** statfs(2): `f_type`. All of these let one buffered write at a time into a file. */
const LOCAL: ReadonlyMap<number, FileSystem> = new Map([
  // ext2, ext3, ext4; what the older two cannot do they say.
  [0xef53, 'ext4'],
  // XFS, Btrfs, F2FS.
  [0x58465342, 'local'],
  [0x9123683e, 'local'],
  [0xf2f52010, 'local'],
  // tmpfs, overlayfs.
  [0x01021994, 'local'],
  [0x794c7630, 'local'],
]);

/** The one that `path` lies on. Other systems than Linux have other numbers: there all is local. */
export function fileSystemOf(path: string): FileSystem {
  if (process.platform !== 'linux') return 'local';
  try {
    return LOCAL.get(statfsSync(path).type) ?? 'distant';
  } catch {
    // Renamed or removed meanwhile.
    return 'distant';
  }
}
