import { describe, expect, it } from 'vitest';
import { ConcatImage } from '../../src/image/concat.js';
import { ModelImage } from '../support/model-image.js';

describe('disks end to end', () => {
  const parts = () => [
    new ModelImage([{ kind: 'data', length: 700 }]),
    new ModelImage([
      { kind: 'zero', length: 512 },
      { kind: 'data', length: 1000 },
    ]),
    new ModelImage([]),
    new ModelImage([{ kind: 'data', length: 512 }]),
  ];

  it('fill whole sectors each', () => {
    expect(new ConcatImage(parts()).size).toBe(1024 + 1536 + 0 + 512);
  });

  it('read across their borders, with zeros behind each', async () => {
    const sources = parts();
    const image = new ConcatImage(sources);
    const bytes = new Uint8Array(image.size).fill(255);
    await image.read(0, bytes);
    const expected = Buffer.concat([
      sources[0]!.content(0, 700),
      new Uint8Array(324),
      sources[1]!.content(0, 1512),
      new Uint8Array(24),
      sources[3]!.content(0, 512),
    ]);
    expect(Buffer.compare(bytes, expected)).toBe(0);
    const middle = new Uint8Array(100);
    await image.read(980, middle);
    expect(Buffer.compare(middle, expected.subarray(980, 1080))).toBe(0);
  });

  it('tell their extents one disk at a time', async () => {
    const image = new ConcatImage(parts());
    const seen: string[] = [];
    for (let at = 0; at < image.size; ) {
      for (const { start, length, kind } of await image.extents(at, image.size - at)) {
        expect(start).toBe(at);
        at += length;
        seen.push(`${kind} ${length}`);
      }
    }
    expect(seen).toEqual(['data 700', 'zero 324', 'zero 512', 'data 1000', 'zero 24', 'data 512']);
  });
});
