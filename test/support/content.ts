/** Bytes of every kind, to be compressed. */
import { Random } from './random.js';

/** Words of a small vocabulary: compresses as prose does. */
export function text(random: Random, length: number): Uint8Array {
  const words = Array.from({ length: 300 }, () => {
    const letters = Array.from({ length: 2 + random.below(8) }, () => String.fromCharCode(97 + random.below(26)));
    return letters.join('');
  });
  let written = '';
  while (written.length < length) written += `${words[random.below(17) * random.below(17)]} `;
  return new TextEncoder().encode(written.slice(0, length));
}

/** A random pattern of `distance` bytes, again and again. */
export function repeats(random: Random, distance: number, length: number): Uint8Array {
  const pattern = random.bytes(distance);
  return Uint8Array.from({ length }, (_, at) => pattern[at % distance]!);
}

/** Copies of what came before, some of them long, with a single byte of a few values between one and the next. */
export function echoes(random: Random, length: number): Uint8Array {
  const bytes = random.bytes(length);
  const values = 1 + random.below(48);
  const common = random.below(90);
  const long = random.below(20);
  for (let at = 300; at < length; ) {
    bytes[at++] = random.below(100) < common ? 0 : random.below(values);
    const copied = random.below(100) < long ? 520 + random.below(100) : 3 + random.below(20);
    const distance = 1 + random.below(random.below(2) === 0 ? at : 300);
    for (const end = Math.min(length, at + copied); at < end; at++) bytes[at] = bytes[at - distance]!;
  }
  return bytes;
}

/** Stretches of each kind, of all lengths up to `longest`, as on a disk. */
export function mixture(random: Random, length: number, longest = 6000): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const stretch = 1 + random.below(longest);
    bytes.set(piece(random, stretch, bytes.subarray(0, at)).subarray(0, length - at), at);
    at += stretch;
  }
  return bytes;
}

function piece(random: Random, length: number, before: Uint8Array): Uint8Array {
  switch (random.below(6)) {
    case 0:
      return new Uint8Array(length);
    case 1:
      return random.bytes(length);
    case 2:
      return text(random, length);
    case 3:
      return repeats(random, 1 + random.below(300), length);
    case 4:
      return Uint8Array.from({ length }, () => random.below(4) * random.below(3));
    default: {
      const start = random.below(before.length + 1);
      return before.slice(start, start + length);
    }
  }
}

/** Inputs of every kind, by name. */
export function samples(seed: number): [name: string, bytes: Uint8Array][] {
  const random = new Random(seed);
  return [
    ['nothing', new Uint8Array(0)],
    ['one byte', random.bytes(1)],
    ['two bytes', random.bytes(2)],
    ['five bytes', new Uint8Array(5).fill(7)],
    ['a sector of zeros', new Uint8Array(512)],
    ['zeros', new Uint8Array(70_000)],
    ['a run of 259', new Uint8Array(259).fill(200)],
    ['long runs', Uint8Array.from({ length: 65_536 }, (_, at) => at >> 12)],
    ['random', random.bytes(65_536)],
    ['few values', Uint8Array.from({ length: 30_000 }, () => random.below(3))],
    ['text', text(random, 65_536)],
    ['counters', new Uint8Array(Uint32Array.from({ length: 8000 }, (_, at) => at * 17).buffer)],
    ['mixture', mixture(random, 65_536)],
    ['large mixture', mixture(random, 700_001)],
  ];
}
