/** Checking VDI images, as QEMU does: each block of the file is used once, and the header counts them right. */
import { ImageError } from '../../errors.js';
import { BlockImage } from '../../image/blocks/block-image.js';
import type { CheckableImage, CheckReport, CheckRequest } from '../../image/check.js';
import { isPending } from '../../maybe.js';
import type { ByteSource } from '../../storage/storage.js';
import { readHeader } from './header.js';
import { FIRST_SPECIAL } from './layout.js';
import { VdiMap } from './map.js';
import { partsOf } from './open.js';

/** There is no repair. Throws `corrupt` or `unsupported`. */
export async function openForCheck(source: ByteSource): Promise<CheckableImage> {
  const header = await readHeader(source);
  const map = new VdiMap(header, source, null);
  return new CheckedVdi(partsOf(source, header, map), map);
}

class CheckedVdi extends BlockImage implements CheckableImage {
  constructor(
    parts: ConstructorParameters<typeof BlockImage>[0],
    private readonly map: VdiMap,
  ) {
    super(parts);
  }

  async check({ repair, events }: CheckRequest): Promise<CheckReport> {
    if (repair !== 'none') throw new ImageError('unsupported', 'Operation not supported');
    const { table, header } = this.map;
    const { blocksInImage } = header;
    const isUsed = new Uint8Array(Math.ceil(blocksInImage / 8));
    let allocated = 0;
    let corruptions = 0;
    const found = (line: string) => {
      events.onFinding(`ERROR: ${line}`);
      corruptions++;
    };
    for (let index = 0; index < blocksInImage; index++) {
      const answer = table.get(index);
      const entry = isPending(answer) ? await answer : answer;
      if (entry >= FIRST_SPECIAL) continue;
      if (entry >= blocksInImage) {
        found(`block index ${index} too large, is ${entry}`);
        continue;
      }
      allocated++;
      const bit = 1 << (entry & 7);
      if ((isUsed[entry >> 3]! & bit) !== 0) found(`block index ${entry} also used by ${entry}`);
      isUsed[entry >> 3]! |= bit;
    }
    if (allocated !== header.blocksAllocated)
      found(`allocated blocks mismatch, is ${allocated}, should be ${header.blocksAllocated}`);
    return {
      corruptions,
      leaks: 0,
      checkErrors: 0,
      corruptionsFixed: 0,
      leaksFixed: 0,
      clusters: { total: 0, allocated: 0, fragmented: 0, compressed: 0 },
      imageEndOffset: 0,
    };
  }
}
