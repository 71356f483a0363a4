import { afterEach, describe, expect, it, vi } from 'vitest';
import { Channel } from '../../src/platform/node/file-io.js';
import { rejection } from '../support/rejection.js';

type Step = number | string;

/** A channel whose system calls answer from a list: a number of bytes, or the name of an error. */
function scripted(steps: Step[]): { channel: Channel; calls: string[] } {
  const calls: string[] = [];
  const answer = (): number => {
    const step = steps.shift() ?? 0;
    if (typeof step === 'string') throw Object.assign(new Error('scripted'), { code: step });
    return step;
  };
  const channel = new Channel(
    'disk',
    64 * 1024,
    (_fd, _bytes, from, length, position) => {
      calls.push(`sync ${from}+${length} at ${position}`);
      return answer();
    },
    (_fd, _bytes, from, length, position, done) => {
      calls.push(`pool ${from}+${length} at ${position}`);
      setImmediate(() => {
        try {
          done(null, answer());
        } catch (error) {
          done(error as Error, 0);
        }
      });
    },
  );
  return { channel, calls };
}

const small = new Uint8Array(4096);
const large = new Uint8Array(256 * 1024);

describe('transfers', () => {
  afterEach(() => vi.restoreAllMocks());

  it('are synchronous if small, pooled if large', async () => {
    const { channel, calls } = scripted([4096, 262144]);
    expect(channel.transfer(3, 0, small)).toBeUndefined();
    await channel.transfer(3, 8192, large);
    expect(calls).toEqual(['sync 0+4096 at 0', 'pool 0+262144 at 8192']);
  });

  it('go on after short ones', async () => {
    const { channel, calls } = scripted([1000, 96, 3000]);
    await channel.transfer(3, 0, small);
    expect(calls).toEqual(['sync 0+4096 at 0', 'pool 1000+3096 at 1000', 'pool 1096+3000 at 1096']);
  });

  it('are repeated after EINTR and EAGAIN', async () => {
    const { channel, calls } = scripted(['EINTR', 'EAGAIN', 'EINTR', 4096]);
    await channel.transfer(3, 0, small);
    expect(calls.length).toBe(4);
  });

  it('fail, and do not wait, where nothing more comes', async () => {
    const { channel } = scripted([100, 0]);
    expect(await rejection(() => channel.transfer(3, 0, small))).toMatchObject({
      code: 'io',
      message: 'Input/output error',
      file: 'disk',
    });
  });

  it('fail with the reason, from either way', async () => {
    const { channel } = scripted(['ENOSPC', 100, 'EIO']);
    expect(await rejection(() => channel.transfer(3, 512, small))).toMatchObject({ code: 'no-space', offset: 512 });
    expect(await rejection(() => channel.transfer(3, 0, large))).toMatchObject({ code: 'io', offset: 100 });
  });

  it('of no bytes do nothing', () => {
    const { channel, calls } = scripted([]);
    expect(channel.transfer(3, 0, new Uint8Array(0))).toBeUndefined();
    expect(calls).toEqual([]);
  });

  it('go to the pool for a while after one that had to wait', async () => {
    const { channel, calls } = scripted(new Array(100).fill(4096));
    let clock = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      clock += 10;
      return clock;
    });
    for (let count = 0; count < 66; count++) await channel.transfer(3, 0, small);
    expect(calls.map((call) => call.slice(0, 4)).filter((way) => way === 'sync').length).toBe(2);
    expect(calls[65]).toMatch(/^sync/);
  });
});
