/** Compressed streams that are random or damaged: what the kernels make of them, and what they must not touch. */
import { deflateRawSync, deflateSync } from 'node:zlib';
import { ImageError } from '../../src/errors.js';
import type { Codec, Kernels } from '../../src/kernels/kernels.js';
import { createNodeKernels } from '../../src/platform/node/kernels.js';
import { Random } from '../support/random.js';

const GUARD = 256;
const CODECS: readonly Codec[] = ['deflate', 'zlib', 'zstd'];
const LENGTHS = [1, 300, 512, 4096, 65536] as const;

/** Sound streams with their content, for each codec. */
function sound(kernels: Kernels): Map<Codec, { packed: Uint8Array; length: number }[]> {
  const random = new Random(3);
  const all = new Map<Codec, { packed: Uint8Array; length: number }[]>(CODECS.map((codec) => [codec, []]));
  for (const length of LENGTHS) {
    for (const symbols of [2, 16, 256]) {
      const content = random.bytes(length).map((byte) => byte % symbols);
      content.copyWithin(length >> 1, 0, length >> 2);
      for (const level of [0, 1, 9]) {
        all.get('deflate')!.push({ packed: deflateRawSync(content, { level, windowBits: 12 }), length });
        all.get('zlib')!.push({ packed: deflateSync(content, { level }), length });
      }
      for (const level of [1, 3, 9]) {
        const unit = content.slice();
        const [result] = kernels.pack(unit, { codec: 'zstd', unit: length, level, window: 65536, limit: length }) as {
          kind: string;
          length?: number;
        }[];
        if (result?.kind === 'packed') all.get('zstd')!.push({ packed: unit.slice(0, result.length), length });
      }
    }
  }
  return all;
}

/** The decoder's answer: the content or a refusal. Finds what it has touched around its place. */
function unpack(kernels: Kernels, codec: Codec, packed: Uint8Array, length: number, found: (what: string) => void) {
  const whole = kernels.buffer(length + 2 * GUARD);
  try {
    whole.bytes.fill(0xa5);
    const into = whole.bytes.subarray(GUARD, GUARD + length);
    let content: Buffer | null = null;
    try {
      kernels.unpack(codec, [{ packed, into }]);
      content = Buffer.from(into);
    } catch (error) {
      if (!(error instanceof ImageError) || error.code !== 'corrupt')
        found(`${codec}: ${error instanceof Error ? error.stack : String(error)}`);
    }
    const around = [whole.bytes.subarray(0, GUARD), whole.bytes.subarray(GUARD + length)];
    if (around.some((guard) => guard.some((byte) => byte !== 0xa5))) found(`${codec}: wrote beside its target`);
    return content;
  } finally {
    whole.release();
  }
}

function damaged(random: Random, packed: Uint8Array): Uint8Array {
  const copy = packed.slice();
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(2) === 0 ? random.below(Math.min(copy.length, 24)) : random.below(copy.length);
    copy[at] = random.below(2) === 0 ? random.below(256) : copy[at]! ^ (1 << random.below(8));
  }
  return random.below(4) === 0 ? copy.subarray(0, random.below(copy.length + 1)) : copy;
}

/** The codec's magic numbers, so that random bytes get past the first check. */
function random(random: Random, codec: Codec): Uint8Array {
  const bytes = random.bytes(1 + random.below(600));
  if (codec === 'zstd') bytes.set([0x28, 0xb5, 0x2f, 0xfd].slice(0, bytes.length));
  if (codec === 'zlib') bytes.set([0x78, 0x9c].slice(0, bytes.length));
  return bytes;
}

/** What follows a stream must not matter to it. */
function isSame(one: Buffer | null, other: Buffer | null): boolean {
  return one === null || other === null ? one === other : one.equals(other);
}

/** @returns the attempt by number: it tells what was found, and returns what kind of stream it was and what became of it */
export function tryStream(run: number): (index: number, found: (what: string) => void) => string {
  const kernels = createNodeKernels({ workers: 0 });
  const streams = sound(kernels);
  return (index, found) => {
    const dice = new Random(run * 1_000_003 + index);
    for (let i = 0; i < 8; i++) dice.next();
    const codec = CODECS[dice.below(CODECS.length)]!;
    const choices = streams.get(codec)!;
    const origin = choices[dice.below(choices.length)]!;
    const isRandom = dice.below(5) === 0;
    const packed = isRandom ? random(dice, codec) : damaged(dice, origin.packed);
    const length = dice.below(6) === 0 ? LENGTHS[dice.below(LENGTHS.length)]! : origin.length;
    // In the kernels' memory, between other bytes: what follows the stream is different each time.
    const place = kernels.buffer(packed.length + 64);
    const results = [0x00, 0xff].map((filler) => {
      place.bytes.fill(filler);
      place.bytes.set(packed);
      return unpack(kernels, codec, place.bytes.subarray(0, packed.length), length, found);
    });
    place.release();
    if (!isSame(results[0]!, results[1]!)) found(`${codec}: what follows the stream matters`);
    const foreign = unpack(kernels, codec, packed, length, found);
    if (!isSame(results[0]!, foreign)) found(`${codec}: another answer for memory that is not the kernels' own`);
    return `${codec}, ${isRandom ? 'random' : 'damaged'}: ${foreign === null ? 'refused' : 'ok'}`;
  };
}
