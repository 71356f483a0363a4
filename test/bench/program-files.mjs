// A disk with real data where nothing can be downloaded: this machine's own program files.
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Stretches of data that a disk has. */
const STRETCHES = 64;
/** Only whole sectors have an end. */
const SECTOR = 512;

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.isFile()) yield path;
  }
}

/** Writes a sparse raw image of `size` bytes with `data` bytes in stretches of equal length, at equal distances. */
export function writeDisk(path, { size, data }) {
  const stretch = Math.floor(data / STRETCHES / SECTOR) * SECTOR;
  const distance = Math.floor(size / STRETCHES / SECTOR) * SECTOR;
  const disk = openSync(path, 'w');
  let written = 0;
  const put = (bytes) => {
    for (let at = 0; at < bytes.length && written < stretch * STRETCHES; ) {
      const within = written % stretch;
      const count = Math.min(bytes.length - at, stretch - within);
      writeSync(disk, bytes, at, count, Math.floor(written / stretch) * distance + within);
      at += count;
      written += count;
    }
  };
  for (const file of files('/usr')) {
    if (written >= stretch * STRETCHES) break;
    if (statSync(file).size > 0) put(readFileSync(file));
  }
  if (written < stretch * STRETCHES) throw new Error(`/usr has only ${written} bytes`);
  ftruncateSync(disk, size);
  closeSync(disk);
}
