/** One random sequence. */
import type { Random } from '../../support/random.js';
import { World } from './world.js';

/** Makes images in `directory` and changes them; throws, with all that was done, where one is not as it should be. */
export async function runSequence(directory: string, random: Random, steps: number): Promise<void> {
  const world = new World(directory, random);
  await world.verify();
  for (let step = 0; step < steps; step++) {
    const before = world.log.length;
    await world.step();
    if (world.log.length === before) continue;
    await world.verify();
    if (world.log.at(-1)!.startsWith('bitmap') || step === steps - 1) world.verifyBitmaps();
  }
}
