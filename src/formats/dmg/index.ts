/** The dmg driver: Apple's UDIF images; to be read. */
import { FOUND_BY_END, type ImageDriver, type ProbeInput } from '../../image/driver.js';
import { chunksOf } from './chunks.js';
import { DmgImage } from './image.js';
import { SECTOR } from './layout.js';
import { readResources } from './resources.js';
import { readTrailer, trailerIn } from './trailer.js';

export const dmg: ImageDriver = {
  name: 'dmg',
  createOptions: [],
  compresses: false,
  backing: false,
  probe,
  async open(source, { kernels }) {
    const trailer = await readTrailer(source);
    const resources = await readResources(source, trailer);
    return new DmgImage(source, chunksOf(resources, trailer.dataForkOffset), trailer.sectors * SECTOR, kernels);
  },
};

/** By the name alone the format is a guess, as it is for QEMU. */
function probe({ tail, fileName }: ProbeInput): number {
  const isNamed = /.\.dmg$/.test(fileName);
  if (trailerIn(tail) === null) return isNamed ? 2 : 0;
  return isNamed ? FOUND_BY_END + 1 : FOUND_BY_END;
}
