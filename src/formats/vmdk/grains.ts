/** Compressed grains: how their streams are found behind their markers. */
import { corrupt } from '../../errors.js';
import type { Unpacker } from '../../image/packed.js';
import type { Codec, Kernels, Unpack } from '../../kernels/kernels.js';
import { gather, isPending, type MaybePromise } from '../../maybe.js';
import { GRAIN_MARKER } from './layout.js';

/** Bytes of a zlib stream before the deflate stream in it. */
const ZLIB_HEADER = 2;

/**
 * Decompresses grains as they lie in the file.
 *
 * The last grain of a disk may be longer than what is left of the disk, or just as long, as QEMU writes it: its content
 * is taken without a look at its end, where the checksum is.
 */
export function grainUnpacker(kernels: Kernels, grainSize: number, hasMarkers: boolean): Unpacker {
  return (batch) => {
    const whole: Unpack[] = [];
    const cut: Unpack[] = [];
    for (const { packed, into } of batch) {
      const stream = hasMarkers ? behindMarker(packed) : packed;
      if (into.length === grainSize) whole.push({ packed: stream, into });
      else cut.push({ packed: stream.subarray(ZLIB_HEADER), into });
    }
    return gather((work) => {
      work.add(unpack(kernels, 'zlib', whole));
      work.add(unpack(kernels, 'deflate', cut));
    });
  };
}

function unpack(kernels: Kernels, codec: Codec, batch: readonly Unpack[]): MaybePromise<void> {
  const unpacked = batch.length > 0 ? kernels.unpack(codec, batch) : undefined;
  if (isPending(unpacked)) return unpacked.then(() => {});
}

function behindMarker(packed: Uint8Array): Uint8Array {
  if (packed.length < GRAIN_MARKER.size) throw corrupt('the marker is cut off');
  const { size } = GRAIN_MARKER.read(packed);
  const start = GRAIN_MARKER.size;
  if (size === 0 || start + size > packed.length) throw corrupt(`the marker tells of ${size} bytes`);
  return packed.subarray(start, start + size);
}
