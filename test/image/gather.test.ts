/** Work that is begun piece by piece ends as a whole: nothing goes on behind the caller's back, no failure goes unheard. */
import { setTimeout as later } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { gather } from '../../src/maybe.js';

const failure = (message: string) => later(5).then(() => Promise.reject(new Error(message)));

describe('gathered work', () => {
  it('that is done at once returns no promise', () => {
    expect(gather((work) => work.add(undefined))).toBeUndefined();
    expect(() =>
      gather(() => {
        throw new Error('at once');
      }),
    ).toThrow('at once');
  });

  it('waits for what was begun before it throws', async () => {
    let ended = false;
    const slow = later(20).then(() => {
      ended = true;
    });
    const gathered = gather((work) => {
      work.add(slow);
      throw new Error('no more');
    });
    await expect(gathered).rejects.toThrow('no more');
    expect(ended).toBe(true);
  });

  // vitest fails a run with rejections that nobody has handled
  it('throws the failure that was begun first', async () => {
    const gathered = gather((work) => {
      work.add(later(20).then(() => Promise.reject(new Error('first'))));
      work.add(failure('second'));
      throw new Error('third');
    });
    await expect(gathered).rejects.toThrow('first');
  });

  it('hears failures while more is being begun', async () => {
    const gathered = gather(async (work) => {
      work.add(failure('early'));
      await later(30);
      work.add(failure('late'));
    });
    await expect(gathered).rejects.toThrow('early');
  });
});
