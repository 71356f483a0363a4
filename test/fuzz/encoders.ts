/** What the encoders write, at any level and window, read back by others: zlib, and for zstd our own decoder. */
import { inflateRawSync, inflateSync } from 'node:zlib';
import type { Codec, Kernels, UnitEncoding } from '../../src/kernels/kernels.js';
import { createNodeKernels } from '../../src/platform/node/kernels.js';
import { echoes, mixture } from '../support/content.js';
import { Random } from '../support/random.js';

const CODECS: readonly Codec[] = ['deflate', 'zlib', 'zstd'];
const LONGEST_UNIT = 21;

/** An encoding, biased to the usual units and levels. */
function encodingFrom(random: Random): UnitEncoding {
  const codec = CODECS[random.below(CODECS.length)]!;
  const unit = 2 ** (random.below(3) === 0 ? 9 + random.below(LONGEST_UNIT - 8) : 16);
  const level = 1 + random.below(random.below(2) === 0 ? 6 : codec === 'zstd' ? 19 : 12);
  const window = random.below(2) === 0 ? 4096 : 2 ** (9 + random.below(7));
  return { codec, unit, level, window, limit: unit + 1024 };
}

function unpacked(kernels: Kernels, { codec, unit, window }: UnitEncoding, packed: Uint8Array): Uint8Array {
  // A stream that needs more than its window is refused here.
  const windowBits = Math.max(9, Math.log2(window));
  if (codec === 'deflate') return inflateRawSync(packed, { windowBits });
  if (codec === 'zlib') return inflateSync(packed);
  const into = new Uint8Array(unit);
  kernels.unpack(codec, [{ packed, into }]);
  return into;
}

/** @returns the attempt by number: it tells what was found, and returns what became of the unit */
export function tryEncoder(run: number): (index: number, found: (what: string) => void) => string {
  const kernels = createNodeKernels({ workers: 0 });
  return (index, found) => {
    const random = new Random(run * 1_000_003 + index);
    const encoding = encodingFrom(random);
    const { codec, unit, level, window } = encoding;
    const content = random.below(4) === 0 ? echoes(random, unit) : mixture(random, unit, 2 ** (8 + random.below(11)));
    const bytes = content.slice();
    const [result] = kernels.pack(bytes, encoding) as { kind: string; length?: number }[];
    if (result?.kind !== 'packed') return `${codec}: ${result?.kind}`;
    const label = `${codec}, unit ${unit}, level ${level}, window ${window}`;
    try {
      const read = unpacked(kernels, encoding, bytes.subarray(0, result.length));
      if (Buffer.compare(read, content) !== 0) found(`${label}: other bytes come back`);
    } catch (error) {
      found(`${label}: ${error}`);
    }
    return `${codec}: packed`;
  };
}
