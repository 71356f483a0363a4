/** A few hundred mutants in every run of the tests; `npm run fuzz` goes on from there. */
import { describe, expect, it } from 'vitest';
import { createNodeKernels } from '../../src/platform/node/kernels.js';
import { ownSeeds, qemuSeeds } from './seeds.js';
import { tryServer } from './servers.js';
import { tryStream } from './streams.js';
import { tryMutant } from './trial.js';

const RUN = 20_240_601;

describe('hostile input', () => {
  it('images: an error or a conversion, nothing else', { timeout: 300_000 }, async () => {
    const kernels = createNodeKernels({ workers: 0 });
    const seeds = [...(await ownSeeds(kernels)), ...qemuSeeds()];
    let converted = 0;
    for (let index = 0; index < 300; index++) {
      const { findings, seed, mutations, disk } = await tryMutant(kernels, seeds, RUN, index);
      if (disk !== null) converted++;
      expect(findings, [seed, ...mutations].join('\n')).toEqual([]);
    }
    // Mutants that nobody could open would show nothing.
    expect(converted).toBeGreaterThan(40);
  });

  it('compressed streams: only their own place is written to', () => {
    const attempt = tryStream(RUN);
    const found: string[] = [];
    const outcomes = new Set<string>();
    for (let index = 0; index < 3000; index++) outcomes.add(attempt(index, (what) => found.push(what)));
    expect(found).toEqual([]);
    expect(outcomes).toContain('zstd, damaged: ok');
    expect(outcomes).toContain('deflate, random: refused');
  });

  it('NBD servers: an error or an answer', async () => {
    const found: string[] = [];
    const outcomes = new Set<string>();
    for (let index = 0; index < 500; index++) outcomes.add(await tryServer(RUN, index, (what) => found.push(what)));
    expect(found).toEqual([]);
    expect(outcomes).toContain('got as far as all');
  });
});
