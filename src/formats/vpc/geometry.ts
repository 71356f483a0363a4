/**
 * Cylinders, heads and sectors: Virtual PC takes a disk's size from them, so only some sizes can be had.
 *
 * Specification: VHD 1.0, appendix "CHS Calculation".
 */
import { SECTOR } from './layout.js';

export interface Geometry {
  cylinders: number;
  heads: number;
  sectorsPerTrack: number;
}

/** Stands for disks that no geometry describes: their size is in `currentSize`. */
export const LARGEST_GEOMETRY: Geometry = { cylinders: 65535, heads: 16, sectorsPerTrack: 255 };

/** From here on tracks have 255 sectors. */
const LARGE_TRACKS = 65535 * 16 * 63;
/** Cylinders that a BIOS can address. */
const MOST_CYLINDERS = 1024;

/** Bytes of a disk of this geometry. */
export function capacityOf({ cylinders, heads, sectorsPerTrack }: Geometry): number {
  return cylinders * heads * sectorsPerTrack * SECTOR;
}

/** No geometry describes the disk. */
export function isLargest(geometry: Geometry): boolean {
  return capacityOf(geometry) === capacityOf(LARGEST_GEOMETRY);
}

/** The geometry of a disk of at least `size` bytes, a multiple of 512, or the largest one. */
export function geometryFor(size: number): Geometry {
  const wanted = Math.min(size, capacityOf(LARGEST_GEOMETRY));
  let geometry: Geometry = { cylinders: 0, heads: 0, sectorsPerTrack: 0 };
  // Rounding up a few tracks, at most a cylinder, is enough.
  for (let sectors = wanted / SECTOR; capacityOf(geometry) < wanted; sectors++) geometry = nearestBelow(sectors);
  return geometry;
}

/** What the specification computes for a disk: it may be a little smaller. */
function nearestBelow(sectors: number): Geometry {
  const total = Math.min(sectors, capacityOf(LARGEST_GEOMETRY) / SECTOR);
  if (total >= LARGE_TRACKS) return withTracks(total, 16, 255);
  const tracks = Math.floor(total / 17);
  const heads = Math.max(4, Math.ceil(tracks / MOST_CYLINDERS));
  if (heads <= 16 && tracks < heads * MOST_CYLINDERS) return withTracks(total, heads, 17);
  const with31 = withTracks(total, 16, 31);
  return with31.cylinders < MOST_CYLINDERS ? with31 : withTracks(total, 16, 63);
}

function withTracks(sectors: number, heads: number, sectorsPerTrack: number): Geometry {
  return { cylinders: Math.floor(Math.floor(sectors / sectorsPerTrack) / heads), heads, sectorsPerTrack };
}
