// What the kernels are measured with: units of three kinds of data.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { rootFileSystem } from './image.mjs';

/** Units of the raw disk `image` that are not zero, taken evenly from all of it, `budget` bytes at most. */
function diskUnits(image, unit, budget) {
  const file = openSync(image, 'r');
  const count = Math.floor(fstatSync(file).size / unit);
  const content = Buffer.alloc(unit);
  const used = [];
  for (let index = 0; index < count; index++) {
    readSync(file, content, 0, unit, index * unit);
    if (content.some((byte) => byte !== 0)) used.push(index);
  }
  const wanted = Math.min(used.length, Math.floor(budget / unit));
  const bytes = Buffer.alloc(wanted * unit);
  for (let index = 0; index < wanted; index++) {
    const from = used[Math.floor((index * used.length) / wanted)];
    readSync(file, bytes, index * unit, unit, from * unit);
  }
  closeSync(file);
  return bytes;
}

/** The files below `roots` whose names match, one behind the other, cut to whole units. */
function files(roots, pattern, unit, budget) {
  const parts = [];
  let length = 0;
  for (const root of roots) {
    for (const entry of readdirSync(root, { withFileTypes: true, recursive: true })) {
      if (length >= budget) break;
      if (!entry.isFile() || !pattern.test(entry.name)) continue;
      const content = readFileSync(join(entry.path, entry.name)).subarray(0, 1 << 20);
      parts.push(content);
      length += content.length;
    }
  }
  const bytes = Buffer.concat(parts).subarray(0, budget);
  return bytes.subarray(0, bytes.length - (bytes.length % unit));
}

/** Name and bytes of each set; `image`: a raw disk in place of the benchmark's own. */
export function* dataSets({ unit, budget, image }) {
  const compressed = /\.(gz|xz|png|jpg|zip|bz2|woff2|jar|whl)$/;
  const plain = new RegExp(`^(?!.*${compressed.source})`);
  yield ['root file system', diskUnits(image ?? rootFileSystem(), unit, budget)];
  yield ['text (documentation, headers)', files(['/usr/share/doc', '/usr/include'], plain, unit, budget)];
  yield ['already compressed', files(['/usr/share', '/usr/lib'], compressed, unit, budget)];
}
