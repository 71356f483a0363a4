/**
 * Anything that may be done to an image, in random order: after every step `qemu-img` finds it in order and reads what a
 * model in memory holds; and answers the same command line alike. `npm run test:slow` does more of it.
 */
import { it } from 'vitest';
import { describeWith } from '../support/judges.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';
import { runSequence } from './sequences/run.js';

describeWith(['qemu-img', 'qemu-io', 'qemu-nbd', 'nbdinfo'], 'random sequences', () => {
  const scratch = scratchDirectory();

  it.each([1, 2, 3, 4, 5, 6])('with seed %i', (seed) => runSequence(scratch(''), new Random(seed), 15));
});
