import { describe, expect, it } from 'vitest';
import type { Extent, Image } from '../../src/image/image.js';
import { OverlayImage } from '../../src/image/overlay.js';
import { ModelImage, type Stretch } from '../support/model-image.js';
import { Random } from '../support/random.js';

const KIB = 1024;

async function allExtents(image: Image): Promise<Extent[]> {
  const extents: Extent[] = [];
  for (let at = 0; at < image.size; ) {
    const answer = await image.extents(at, image.size - at);
    expect(answer.length).toBeGreaterThan(0);
    for (const extent of answer) {
      expect(extent.start).toBe(at);
      at += extent.length;
      extents.push(extent);
    }
  }
  return extents;
}

/** Answers like the other image, a turn of the queue later. */
class SlowImage extends ModelImage {
  override extents(start: number, length: number): never {
    return Promise.resolve(super.extents(start, length)) as never;
  }
}

describe('an overlay', () => {
  const upper = () =>
    new ModelImage([
      { kind: 'data', length: 8 * KIB },
      { kind: 'unallocated', length: 24 * KIB },
      { kind: 'zero', length: 8 * KIB },
      { kind: 'unallocated', length: 24 * KIB },
    ]);

  it('shows what the lower image has, one deeper, and nothing beyond its end', async () => {
    const lower = new ModelImage([
      { kind: 'zero', length: 16 * KIB },
      { kind: 'data', length: 28 * KIB },
    ]);
    const extents = await allExtents(new OverlayImage(upper(), lower));
    expect(extents.map(({ kind, length, depth }) => `${kind} ${length / KIB} ${depth}`)).toEqual([
      'data 8 0',
      'zero 8 1',
      'data 16 1',
      'zero 8 0',
      'data 4 1',
      'unallocated 20 0',
    ]);
  });

  it('is not longer than itself where the lower image is', async () => {
    const lower = new ModelImage([{ kind: 'data', length: 1024 * KIB }]);
    const image = new OverlayImage(upper(), lower);
    expect(image.size).toBe(64 * KIB);
    expect((await allExtents(image)).at(-1)).toMatchObject({ kind: 'data', depth: 1, length: 24 * KIB });
  });

  it('reads each layer in as few calls as there are stretches', async () => {
    const top = new ModelImage(
      [
        { kind: 'data', length: 4 * KIB },
        { kind: 'zero', length: 4 * KIB },
        { kind: 'data', length: 4 * KIB },
        { kind: 'unallocated', length: 20 * KIB },
      ],
      10,
    );
    const base = new ModelImage([{ kind: 'data', length: 32 * KIB }]);
    await new OverlayImage(top, base).read(0, new Uint8Array(32 * KIB));
    expect(top.reads).toEqual([{ offset: 0, length: 12 * KIB }]);
    expect(base.reads).toEqual([{ offset: 12 * KIB, length: 20 * KIB }]);
  });

  it('answers at once where both layers do', () => {
    const image = new OverlayImage(upper(), new ModelImage([{ kind: 'data', length: 64 * KIB }]));
    expect(Array.isArray(image.extents(0, 64 * KIB))).toBe(true);
  });

  it('waits for reads that are under way before it throws', async () => {
    const top = upper();
    const base = new ModelImage([{ kind: 'data', length: 64 * KIB }]);
    let ended = false;
    top.onRead = () => {
      throw new Error('bad sector');
    };
    base.onRead = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      ended = true;
    };
    await expect(async () => new OverlayImage(top, base).read(0, new Uint8Array(32 * KIB))).rejects.toThrow(
      'bad sector',
    );
    expect(ended).toBe(true);
  });

  it('is right for chains of any shape and length', async () => {
    const random = new Random(5);
    const kinds = ['data', 'zero', 'unallocated'] as const;
    for (let round = 0; round < 100; round++) {
      const layers = Array.from({ length: 2 + random.below(3) }, () => {
        const stretches: Stretch[] = Array.from({ length: 1 + random.below(8) }, () => ({
          kind: kinds[random.below(3)]!,
          length: 512 * (1 + random.below(20)),
        }));
        return new (random.below(2) ? ModelImage : SlowImage)(stretches, 1 + random.below(3));
      });
      const image = layers
        .slice(0, -1)
        .reduceRight<Image>((below, layer) => new OverlayImage(layer, below), layers.at(-1)!);
      const expected = flatten(layers);
      const offset = random.below(image.size);
      const bytes = new Uint8Array(1 + random.below(image.size - offset));
      await image.read(offset, bytes);
      expect(Buffer.compare(bytes, expected.subarray(offset, offset + bytes.length))).toBe(0);
      for (const { kind, start, length } of await allExtents(image)) {
        if (kind !== 'data') expect(expected.subarray(start, start + length).every((byte) => byte === 0)).toBe(true);
      }
    }
  });
});

/** The same by brute force, sector by sector. */
function flatten(layers: ModelImage[]): Uint8Array {
  const [top] = layers;
  const bytes = new Uint8Array(top!.size);
  for (let at = 0; at < bytes.length; at += 512) {
    const owner = layers.findIndex(
      (layer, index) =>
        (layers.slice(0, index + 1).every(({ size }) => at < size) && layer.content(at, 512)[0] !== 0) ||
        isZero(layer, at),
    );
    if (owner < 0 || isZero(layers[owner]!, at)) continue;
    if (layers.slice(0, owner + 1).some(({ size }) => at >= size)) continue;
    bytes.set(layers[owner]!.content(at, 512), at);
  }
  return bytes;
}

function isZero(layer: ModelImage, at: number): boolean {
  if (at >= layer.size) return true;
  return ModelImage.prototype.extents.call(layer, at, 512)[0]!.kind === 'zero';
}
