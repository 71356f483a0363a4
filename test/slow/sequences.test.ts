/** Many more of the random sequences of test/cli/sequences.test.ts; SEED and SEQUENCES choose which. */
import { it } from 'vitest';
import { runSequence } from '../cli/sequences/run.js';
import { describeWith } from '../support/judges.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const FIRST = Number(process.env.SEED ?? 1000);
const COUNT = Number(process.env.SEQUENCES ?? 60);
const MINUTES = 60_000;

describeWith(['qemu-img', 'qemu-io', 'qemu-nbd', 'nbdinfo'], 'random sequences', () => {
  const scratch = scratchDirectory();
  const seeds = Array.from({ length: COUNT }, (_, at) => FIRST + at);

  it.each(seeds)('with seed %i', { timeout: 5 * MINUTES }, (seed) => runSequence(scratch(''), new Random(seed), 40));
});
