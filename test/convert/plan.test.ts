import { describe, expect, it } from 'vitest';
import { Plan, type PlanOptions, type Run } from '../../src/convert/plan.js';
import { type Kind, ModelImage, type Stretch } from '../support/model-image.js';
import { Random } from '../support/random.js';

const KIB = 1024;

async function allRuns(image: ModelImage, options: Partial<PlanOptions> = {}): Promise<Omit<Run, 'data'>[]> {
  const plan = new Plan(image, { unit: 512, runSize: 256 * KIB, zeroIsData: false, targetBacking: null, ...options });
  const runs: Omit<Run, 'data'>[] = [];
  for (let run = await plan.next(); run !== null; run = await plan.next()) {
    const { kind, offset, length } = run;
    runs.push({ kind, offset, length });
  }
  return runs;
}

describe('the plan', () => {
  it('has no runs for an empty disk', async () => {
    expect(await allRuns(new ModelImage([]))).toEqual([]);
  });

  it('hands out a long hole as one run', async () => {
    const image = new ModelImage([{ kind: 'unallocated', length: 2 ** 40 }]);
    expect(await allRuns(image)).toEqual([{ kind: 'zero', offset: 0, length: 2 ** 40 }]);
  });

  it('cuts data on multiples of the run size', async () => {
    const image = new ModelImage([
      { kind: 'zero', length: 128 * KIB },
      { kind: 'data', length: 512 * KIB },
    ]);
    expect(await allRuns(image)).toEqual([
      { kind: 'zero', offset: 0, length: 128 * KIB },
      { kind: 'data', offset: 128 * KIB, length: 128 * KIB },
      { kind: 'data', offset: 256 * KIB, length: 256 * KIB },
      { kind: 'data', offset: 512 * KIB, length: 128 * KIB },
    ]);
  });

  it('widens data to whole units of the target', async () => {
    const image = new ModelImage([
      { kind: 'zero', length: 100 * KIB },
      { kind: 'data', length: 4 * KIB },
      { kind: 'zero', length: 400 * KIB },
    ]);
    expect(await allRuns(image, { unit: 64 * KIB })).toEqual([
      { kind: 'zero', offset: 0, length: 64 * KIB },
      { kind: 'data', offset: 64 * KIB, length: 64 * KIB },
      { kind: 'zero', offset: 128 * KIB, length: 376 * KIB },
    ]);
  });

  it('reads through short gaps', async () => {
    const pattern: Stretch[] = Array.from({ length: 16 }, (_, i) => ({
      kind: i % 2 ? 'zero' : 'data',
      length: 4 * KIB,
    }));
    expect(await allRuns(new ModelImage(pattern))).toEqual([
      { kind: 'data', offset: 0, length: 60 * KIB },
      { kind: 'zero', offset: 60 * KIB, length: 4 * KIB },
    ]);
  });

  it('tells where the extents of the source begin', async () => {
    const image = new ModelImage([
      { kind: 'data', length: 300 * KIB },
      { kind: 'zero', length: 100 * KIB },
      { kind: 'data', length: 200 * KIB },
    ]);
    const plan = new Plan(image, { unit: 4 * KIB, runSize: 256 * KIB, zeroIsData: false, targetBacking: null });
    const starts: (readonly number[])[] = [];
    for (let run = await plan.next(); run !== null; run = await plan.next()) {
      if (run.kind === 'data') starts.push(run.extentStarts!);
    }
    expect(starts).toEqual([[0], [0], [0, 400 * KIB], [400 * KIB]]);
  });

  it('copies zeros like data for -S 0', async () => {
    const image = new ModelImage([{ kind: 'zero', length: 300 * KIB }]);
    expect((await allRuns(image, { zeroIsData: true })).map((run) => run.kind)).toEqual(['data', 'data']);
  });

  it('leaves out what the source takes from its backing file if the target has one', async () => {
    const image = new ModelImage([
      { kind: 'data', length: 64 * KIB },
      { kind: 'data', length: 128 * KIB, depth: 1 },
      { kind: 'zero', length: 64 * KIB },
      { kind: 'unallocated', length: 64 * KIB, depth: 1 },
      { kind: 'zero', length: 64 * KIB },
    ]);
    expect(await allRuns(image, { targetBacking: { size: 320 * KIB } })).toEqual([
      { kind: 'data', offset: 0, length: 64 * KIB },
      { kind: 'zero', offset: 192 * KIB, length: 64 * KIB },
    ]);
  });

  it('hides the target’s backing file where the source has nothing and no backing file either', async () => {
    const image = new ModelImage([
      { kind: 'data', length: 64 * KIB },
      { kind: 'unallocated', length: 128 * KIB },
    ]);
    expect(await allRuns(image, { targetBacking: { size: 192 * KIB } })).toEqual([
      { kind: 'data', offset: 0, length: 64 * KIB },
      { kind: 'zero', offset: 64 * KIB, length: 128 * KIB },
    ]);
  });

  it('covers every data byte once, ascending and on the grid, whatever the disk looks like', async () => {
    const random = new Random(20);
    for (let round = 0; round < 200; round++) {
      const kinds: Kind[] = ['data', 'zero', 'unallocated'];
      const stretches = Array.from({ length: 1 + random.below(12) }, () => ({
        kind: kinds[random.below(3)]!,
        length: 512 * (1 + random.below(600)),
      }));
      const image = new ModelImage(stretches, 1 + random.below(4));
      const unit = 512 << random.below(9);
      const runs = await allRuns(image, { unit, runSize: Math.max(unit, 256 * KIB) });
      let position = 0;
      for (const run of runs) {
        expect(run.offset).toBe(position);
        position += run.length;
        expect(run.offset % unit).toBe(0);
        expect(position % unit === 0 || position === image.size).toBe(true);
        if (run.kind === 'data') expect(run.length).toBeLessThanOrEqual(Math.max(unit, 256 * KIB));
        else expect(image.extents(run.offset, run.length).every((extent) => extent.kind !== 'data')).toBe(true);
      }
      expect(position).toBe(image.size);
    }
  });
});
