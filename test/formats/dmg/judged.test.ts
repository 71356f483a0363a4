/** Images that dmg2img reads too, a program that shares nothing with this one: chunks of zlib, bzip2 and ADC. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { mixture, repeats, text } from '../../support/content.js';
import { describeWith } from '../../support/judges.js';
import { Random } from '../../support/random.js';
import { scratchDirectory } from '../../support/scratch.js';
import { buildDmg, type ChunkSpec, TYPES, zlibChunk } from './build.js';

/** Compresses: the longest match at hand in whatever form it fits, literals for the rest, of lengths that vary. */
function encodeAdc(content: Uint8Array, random: Random): Uint8Array {
  const packed: number[] = [];
  const seen = new Map<string, number>();
  const literals: number[] = [];
  const flush = () => {
    while (literals.length > 0) {
      const count = Math.min(literals.length, 1 + random.below(128));
      packed.push(0x80 | (count - 1), ...literals.splice(0, count));
    }
  };
  for (let at = 0; at < content.length; ) {
    const match = matchAt(content, at, seen);
    const { distance, length } = match ?? { distance: 0, length: 0 };
    const isShort = length >= 3 && length <= 18 && distance <= 1024 && random.below(4) > 0;
    if (isShort) {
      flush();
      packed.push(((length - 3) << 2) | ((distance - 1) >> 8), (distance - 1) & 255);
    } else if (length >= 4) {
      flush();
      packed.push(0x40 | (length - 4), (distance - 1) >> 8, (distance - 1) & 255);
    } else literals.push(content[at]!);
    const step = isShort || length >= 4 ? length : 1;
    for (let index = at; index < at + step; index++) seen.set(keyAt(content, index), index);
    at += step;
  }
  flush();
  return Uint8Array.from(packed);
}

function keyAt(content: Uint8Array, at: number): string {
  return content.subarray(at, at + 3).join(' ');
}

/** The last place where the same three bytes were, as far as they go on alike; it may overlap what it makes. */
function matchAt(
  content: Uint8Array,
  at: number,
  seen: Map<string, number>,
): { distance: number; length: number } | null {
  const from = seen.get(keyAt(content, at));
  if (from === undefined || at - from > 65536 || at + 3 > content.length) return null;
  let length = 3;
  while (length < 67 && at + length < content.length && content[from + length] === content[at + length]) length++;
  return { distance: at - from, length };
}

describeWith(['dmg2img'], 'dmg images that dmg2img reads', () => {
  const scratch = scratchDirectory();
  const { succeeds } = bothPrograms(scratch);

  const kinds: [name: string, content: (random: Random, length: number) => Uint8Array][] = [
    ['text', text],
    ['a mixture', (random, length) => mixture(random, length, 700)],
    ['runs', (random, length) => repeats(random, 1, length)],
    ['near repeats', (random, length) => repeats(random, 1000, length)],
    ['far repeats', (random, length) => repeats(random, 40_000, length)],
    ['noise', (random, length) => random.bytes(length)],
  ];

  it.each(kinds)('%s', async (_, make) => {
    const random = new Random(7);
    const contents = [512, 512 * 37, 512 * 256].map((length) => Buffer.from(make(random, length)));
    const adc = contents.map(
      (content): ChunkSpec => ({ type: TYPES.adc, sectors: content.length / 512, stored: encodeAdc(content, random) }),
    );
    const bzip2 = spawnSync('bzip2', { input: contents[1]! }).stdout;
    const chunks = [
      ...adc,
      { type: TYPES.zero, sectors: 5 },
      zlibChunk(contents[2]!),
      { type: TYPES.bzip2, sectors: 37, stored: bzip2 },
    ];
    writeFileSync(scratch('image.dmg'), buildDmg({ chunks, fork: true }).image);
    execFileSync('dmg2img', ['-s', scratch('image.dmg'), scratch('theirs.raw')], { stdio: 'ignore' });
    const expected = Buffer.concat([...contents, Buffer.alloc(5 * 512), contents[2]!, contents[1]!]);
    expect(readFileSync(scratch('theirs.raw')).equals(expected)).toBe(true);
    await succeeds('convert', '-O', 'raw', 'image.dmg', 'ours.raw');
    expect(readFileSync(scratch('ours.raw')).equals(expected)).toBe(true);
  });
});
