import { describe, expect, it } from 'vitest';
import { type ConvertOptions, convertImage } from '../../src/convert/convert.js';
import { ImageError } from '../../src/errors.js';
import type { Loan } from '../../src/loan.js';
import { ModelImage, ModelWriter, type Stretch } from '../support/model-image.js';
import { PlainKernels } from '../support/plain-kernels.js';
import { Random } from '../support/random.js';

const KIB = 1024;
const RUN = 64 * KIB;

const DEFAULTS: ConvertOptions = { parallel: 8, outOfOrder: false, sparse: 4096, targetBacking: null, runSize: RUN };

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A disk of `runs` data runs. */
function dataDisk(runs: number): ModelImage {
  return new ModelImage([{ kind: 'data', length: runs * RUN }]);
}

/** Reads and writes that take random times. */
function jitter(source: ModelImage, target: ModelWriter, seed: number): void {
  const random = new Random(seed);
  source.onRead = () => sleep(random.below(5));
  target.onWrite = () => sleep(random.below(5));
}

/** Lends what it is asked for, where `lends` says so; each loan is cleared once it is given back. */
class LendingImage extends ModelImage {
  lends: (offset: number) => boolean = () => true;
  lent = 0;
  held = 0;
  mostHeld = 0;

  lend(offset: number, length: number): Promise<Loan> | null {
    return this.lends(offset) ? this.#loan(offset, length) : null;
  }

  async #loan(offset: number, length: number): Promise<Loan> {
    this.lent++;
    await this.onRead(offset, length);
    this.mostHeld = Math.max(this.mostHeld, ++this.held);
    const bytes = this.content(offset, length);
    const release = () => {
      this.held--;
      bytes.fill(0);
    };
    return { bytes, release };
  }
}

describe('convertImage', () => {
  it('copies any disk, with any number of runs in flight', async () => {
    const random = new Random(7);
    for (const parallel of [1, 2, 8, 16]) {
      const stretches: Stretch[] = Array.from({ length: 20 }, () => ({
        kind: (['data', 'zero', 'unallocated'] as const)[random.below(3)]!,
        length: 512 * (1 + random.below(300)),
      }));
      const source = new ModelImage(stretches);
      const target = new ModelWriter(source.size, 4096);
      jitter(source, target, parallel);
      await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, parallel });
      expect(Buffer.compare(target.bytes, source.content(0, source.size))).toBe(0);
      expect(target.log.at(-1)).toBe('finish');
    }
  });

  it('places and starts writes in the order of the disk, however reads end', async () => {
    for (const outOfOrder of [false, true]) {
      const source = dataDisk(30);
      const target = new ModelWriter(source.size);
      jitter(source, target, 3);
      await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, outOfOrder });
      const ascending = Array.from({ length: 30 }, (_, i) => i * RUN);
      expect(target.offsets('place')).toEqual(ascending);
      expect(target.offsets('write')).toEqual(ascending);
    }
  });

  it('lets a fast run overtake a slow one with outOfOrder and a target of fixed layout', async () => {
    const source = dataDisk(8);
    const target = new ModelWriter(source.size);
    target.unordered = true;
    source.onRead = (offset) => (offset === 0 ? sleep(30) : undefined);
    await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, outOfOrder: true });
    expect(target.offsets('write').at(-1)).toBe(0);
    expect(Buffer.compare(target.bytes, source.content(0, source.size))).toBe(0);
  });

  it('overlaps reads with writes, and never holds more buffers than -m', async () => {
    const source = dataDisk(24);
    const target = new ModelWriter(source.size);
    const kernels = new PlainKernels();
    let reading = 0;
    let overlapped = 0;
    source.onRead = async () => {
      reading++;
      await sleep(2);
      reading--;
    };
    target.onWrite = async () => {
      if (reading > 0) overlapped++;
      await sleep(2);
    };
    await convertImage(source, target, kernels, { ...DEFAULTS, parallel: 4 });
    expect(overlapped).toBeGreaterThan(0);
    expect(kernels.mostHeld).toBe(4);
    expect(kernels.held).toBe(0);
  });

  it('reads on through zeros that nobody told of while a run before them is under way', async () => {
    const source = new ModelImage([
      { kind: 'data', length: RUN },
      { kind: 'zero', length: 20 * RUN },
    ]);
    // Nobody tells: all is said to be data.
    source.extents = (start, length) => dataDisk(21).extents(start, length);
    const target = new ModelWriter(source.size);
    const kernels = new PlainKernels();
    let atFirstEnd = 0;
    source.onRead = async (offset) => {
      if (offset > 0) return;
      await sleep(30);
      atFirstEnd = source.reads.length;
    };
    await convertImage(source, target, kernels, { ...DEFAULTS, parallel: 4 });
    // As many as may wait for their turn.
    expect(atFirstEnd).toBe(16);
    expect(kernels.mostHeld).toBeLessThanOrEqual(4);
    expect(Buffer.compare(target.bytes, source.content(0, source.size))).toBe(0);
  });

  it('reads one run after the other with -m 1', async () => {
    const source = dataDisk(6);
    const target = new ModelWriter(source.size);
    await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, parallel: 1 });
    expect(source.reads.map((read) => read.offset)).toEqual([0, 1, 2, 3, 4, 5].map((i) => i * RUN));
  });

  it('neither reads nor writes a hole', async () => {
    const source = new ModelImage([{ kind: 'unallocated', length: 2 ** 40 }]);
    const target = new ModelWriter(0);
    await convertImage(source, target, new PlainKernels(), DEFAULTS);
    expect(source.reads).toEqual([]);
    expect(target.log).toEqual(['finish']);
  });

  it('places zeros where the target does not read as zeros', async () => {
    const source = new ModelImage([{ kind: 'zero', length: 10 * RUN }]);
    const target = new ModelWriter(source.size);
    target.readsZero = false;
    target.bytes.fill(7);
    await convertImage(source, target, new PlainKernels(), DEFAULTS);
    expect(target.offsets('place')).toEqual([0]);
    expect(target.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('finishes only when the last zeros are written, and never writes more at a time than -m', async () => {
    const length = 40 * RUN;
    const source = new ModelImage([
      { kind: 'data', length: RUN },
      { kind: 'zero', length },
    ]);
    const target = new ModelWriter(source.size);
    target.readsZero = false;
    target.bytes.fill(0xff);
    let writing = 0;
    let most = 0;
    target.onWrite = async () => {
      most = Math.max(most, ++writing);
      await sleep(20);
      writing--;
    };
    await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, parallel: 2 });
    expect(target.log.at(-1)).toBe('finish');
    expect(writing).toBe(0);
    expect(target.bytes.subarray(RUN).every((byte) => byte === 0)).toBe(true);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('tells progress that only grows and ends at the size', async () => {
    const source = dataDisk(20);
    const target = new ModelWriter(source.size);
    target.unordered = true;
    jitter(source, target, 11);
    const told: number[] = [];
    await convertImage(source, target, new PlainKernels(), {
      ...DEFAULTS,
      outOfOrder: true,
      onProgress: (done) => told.push(done),
    });
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(source.size);
  });
});

describe('convertImage when something fails', () => {
  const faults: { name: string; break: (source: ModelImage, target: ModelWriter) => void; message: string }[] = [
    {
      name: 'a read',
      break: (source) => {
        source.onRead = (offset) => {
          if (offset === 5 * RUN) throw new ImageError('io', 'Input/output error');
        };
      },
      message: `error while reading at byte ${5 * RUN}: Input/output error`,
    },
    {
      name: 'a write',
      break: (_, target) => {
        target.onWrite = async (offset) => {
          await sleep(1);
          if (offset === 5 * RUN) throw new ImageError('no-space', 'No space left on device');
        };
      },
      message: `error while writing at byte ${5 * RUN}: No space left on device`,
    },
    {
      name: 'placing',
      break: (_, target) => {
        target.onPlace = (run) => {
          if (run.offset === 5 * RUN) throw new ImageError('corrupt', 'Overlap');
        };
      },
      message: `error while writing at byte ${5 * RUN}: Overlap`,
    },
    {
      name: 'block status',
      break: (source) => {
        source.extents = () => {
          throw new ImageError('io', 'Input/output error');
        };
      },
      message: 'error while reading block status at offset 0: Input/output error',
    },
  ];

  for (const fault of faults) {
    for (const parallel of [1, 8]) {
      it(`throws for ${fault.name} with ${parallel} in flight, gives all buffers back and does not finish`, async () => {
        const source = dataDisk(40);
        const target = new ModelWriter(source.size);
        jitter(source, target, 5);
        fault.break(source, target);
        const kernels = new PlainKernels();
        const running = convertImage(source, target, kernels, { ...DEFAULTS, parallel });
        await expect(running).rejects.toThrow(fault.message);
        expect(kernels.held).toBe(0);
        expect(target.log).not.toContain('finish');
        const settled = target.log.length;
        await sleep(20);
        expect(target.log.length).toBe(settled);
      });
    }
  }

  it('stops on the signal', async () => {
    const source = dataDisk(1000);
    const target = new ModelWriter(source.size);
    const controller = new AbortController();
    source.onRead = () => sleep(1);
    target.onWrite = (offset) => {
      if (offset === 8 * RUN) controller.abort();
    };
    const kernels = new PlainKernels();
    const running = convertImage(source, target, kernels, { ...DEFAULTS, signal: controller.signal });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(kernels.held).toBe(0);
    expect(source.reads.length).toBeLessThan(40);
  });

  it('replaces unreadable sectors by zeros with salvage, and names them', async () => {
    const source = dataDisk(3);
    const target = new ModelWriter(source.size);
    const bad = RUN + 1024;
    source.onRead = (offset, length) => {
      if (offset <= bad && bad < offset + length) throw new ImageError('io', 'Input/output error');
    };
    const lost: number[] = [];
    await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, salvage: (offset) => lost.push(offset) });
    expect(lost).toEqual([bad]);
    const expected = source.content(0, source.size).fill(0, bad, bad + 512);
    expect(Buffer.compare(target.bytes, expected)).toBe(0);
  });

  it('copies inside the storage as long as that works', async () => {
    const source = dataDisk(10);
    const target = new ModelWriter(source.size);
    const offloaded: number[] = [];
    const copyRange = async (offset: number, length: number) => {
      if (offset >= 4 * RUN) return false;
      offloaded.push(offset);
      target.bytes.set(source.content(offset, length), offset);
      return true;
    };
    await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, parallel: 1, copyRange });
    expect(offloaded).toEqual([0, 1, 2, 3].map((i) => i * RUN));
    expect(Buffer.compare(target.bytes, source.content(0, source.size))).toBe(0);
  });

  describe('with a source that lends its memory', () => {
    it('copies without buffers of its own, and gives back what it borrowed', async () => {
      const source = new LendingImage([{ kind: 'data', length: 12 * RUN }]);
      const target = new ModelWriter(source.size);
      const kernels = new PlainKernels();
      jitter(source, target, 5);
      await convertImage(source, target, kernels, { ...DEFAULTS, parallel: 3 });
      expect(Buffer.compare(target.bytes, source.content(0, source.size))).toBe(0);
      expect([source.lent, source.held, source.mostHeld, kernels.mostHeld]).toEqual([12, 0, 3, 0]);
    });

    it('reads what is not lent', async () => {
      const source = new LendingImage([{ kind: 'data', length: 12 * RUN }]);
      source.lends = (offset) => (offset / RUN) % 3 !== 0;
      const target = new ModelWriter(source.size);
      await convertImage(source, target, new PlainKernels(), DEFAULTS);
      expect(Buffer.compare(target.bytes, source.content(0, source.size))).toBe(0);
      expect([source.lent, source.reads.length, source.held]).toEqual([8, 4, 0]);
    });

    it('says where reading failed, and gives everything back', async () => {
      const source = new LendingImage([{ kind: 'data', length: 12 * RUN }]);
      source.onRead = (offset) => {
        if (offset === 5 * RUN) throw new ImageError('io', 'Input/output error');
      };
      const target = new ModelWriter(source.size);
      const message = `error while reading at byte ${5 * RUN}: Input/output error`;
      await expect(convertImage(source, target, new PlainKernels(), DEFAULTS)).rejects.toMatchObject({ message });
      expect(source.held).toBe(0);
    });

    it('takes its own buffers where others work on the bytes, or they may have to be read again', async () => {
      for (const [options, encoding] of [
        [{ salvage: () => {} }, null],
        [{ copyRange: async () => false }, null],
        [{}, { codec: 'zlib', unit: RUN, level: 1, window: 32768, limit: RUN }],
      ] as const) {
        const source = new LendingImage([{ kind: 'data', length: 4 * RUN }]);
        const target = new ModelWriter(source.size);
        target.encoding = encoding;
        await convertImage(source, target, new PlainKernels(), { ...DEFAULTS, ...options });
        expect([source.lent, source.reads.length]).toEqual([0, 4]);
      }
    });
  });
});
