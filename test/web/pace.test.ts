import { describe, expect, it } from 'vitest';
import { Pace } from '../../web/jobs/pace.js';

describe('pace', () => {
  it('says nothing at once, then rate and time left by the last seconds', () => {
    const pace = new Pace();
    expect(pace.read(0, 1000, 0)).toEqual({ rate: null, left: null });
    expect(pace.read(100, 1000, 500)).toEqual({ rate: null, left: null });
    expect(pace.read(200, 1000, 1000)).toEqual({ rate: 200, left: 4 });
    for (let second = 2; second <= 20; second++) pace.read(200 + 10 * (second - 1), 1000, 1000 * second);
    expect(pace.read(400, 1000, 21_000).rate).toBeCloseTo(10);
  });

  it('forgets what was before a pause', () => {
    const pace = new Pace();
    pace.read(0, 1000, 0);
    pace.read(500, 1000, 1000);
    expect(pace.read(500, 1000, 60_000)).toEqual({ rate: null, left: null });
    expect(pace.read(600, 1000, 61_000)).toEqual({ rate: 100, left: 4 });
  });
});
