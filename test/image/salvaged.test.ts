import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.js';
import type { Extent } from '../../src/image/image.js';
import { SalvagedImage } from '../../src/image/salvaged.js';
import { ModelImage } from '../support/model-image.js';

const KIB = 1024;

/** Its status cannot be told from `from` on, for `length` bytes: asking for any of it fails. */
function damaged(from: number, length: number, async: boolean): ModelImage {
  const image = new ModelImage([
    { kind: 'zero', length: 64 * KIB },
    { kind: 'data', length: 64 * KIB },
  ]);
  const whole = image.extents.bind(image);
  image.extents = (start, count) => {
    const bad = start < from + length && start + count > from;
    const answer = () => {
      if (bad) throw new ImageError('corrupt', 'damaged table');
      return whole(start, count);
    };
    return async ? (Promise.resolve().then(answer) as never) : answer();
  };
  return image;
}

describe.each([false, true])('an image with a damaged table (answers later: %s)', (async) => {
  it('tells what it can, and takes the rest for data', async () => {
    const lost: number[] = [];
    const image = new SalvagedImage(damaged(32 * KIB, KIB, async), (offset) => lost.push(offset));
    const extents: Extent[] = [];
    for (let at = 0; at < image.size; ) {
      for (const extent of await image.extents(at, image.size - at)) {
        expect(extent.start).toBe(at);
        at += extent.length;
        extents.push(extent);
      }
    }
    expect(lost).toEqual([32 * KIB, 32 * KIB + 512]);
    const known = extents.filter(({ start }) => !lost.includes(start));
    expect(known.every(({ start, kind }) => kind === (start < 64 * KIB ? 'zero' : 'data'))).toBe(true);
    expect(extents.filter(({ start }) => lost.includes(start)).map(({ kind, length }) => [kind, length])).toEqual([
      ['data', 512],
      ['data', 512],
    ]);
  });
});

it('a cancelled question is not damage', async () => {
  const image = damaged(0, 0, false);
  image.extents = () => {
    throw new ImageError('aborted', 'The operation was cancelled');
  };
  const salvaged = new SalvagedImage(image, () => {});
  expect(() => salvaged.extents(0, KIB)).toThrow('cancelled');
});
