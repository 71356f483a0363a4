/** The driver table, in probe order. A new format is a folder of its own and one line here. */
import type { ImageDriver, ProbeInput } from '../image/driver.js';
import { bochs } from './bochs/index.js';
import { cloop } from './cloop/index.js';
import { dmg } from './dmg/index.js';
import { luks } from './luks/index.js';
import { parallels } from './parallels/index.js';
import { qcow } from './qcow/index.js';
import { qcow2 } from './qcow2/index.js';
import { qed } from './qed/index.js';
import { raw } from './raw/index.js';
import { vdi } from './vdi/index.js';
import { vhdx } from './vhdx/index.js';
import { vmdk } from './vmdk/index.js';
import { vpc } from './vpc/index.js';

export const drivers: readonly ImageDriver[] = [
  qcow2,
  qcow,
  qed,
  vdi,
  vhdx,
  vpc,
  vmdk,
  parallels,
  bochs,
  cloop,
  dmg,
  luks,
  raw,
];

/** The driver that `-f` or `-O` names. */
export function findDriver(name: string): ImageDriver | undefined {
  return drivers.find((driver) => driver.name === name);
}

/** Names of the files by which a directory is known to be an image. */
export const bundleFiles: readonly string[] = drivers.flatMap(({ bundleFile }) => bundleFile ?? []);

/** The driver that is surest of a storage, and how sure; of equals the first. Everything is a raw image, if nothing else. */
export function probeDriver(input: ProbeInput): { driver: ImageDriver; score: number } {
  let best: ImageDriver = raw;
  let bestScore = 0;
  for (const driver of drivers) {
    const score = driver.probe(input);
    if (score > bestScore) {
      best = driver;
      bestScore = score;
    }
  }
  return { driver: best, score: bestScore };
}
