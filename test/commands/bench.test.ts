import { describe, expect, it } from 'vitest';
import { type BenchDisk, type BenchLoad, BenchRun } from '../../src/commands/bench.js';
import { ImageError } from '../../src/errors.js';

/** Answers the latest request first, and keeps a record: offsets, and `flush` with what was under way. */
class SlowDisk implements BenchDisk {
  readonly log: (number | string)[] = [];
  most = 0;
  #pending: (() => void)[] = [];

  constructor(readonly size: number) {}

  ask(offset: number): Promise<void> {
    this.log.push(offset);
    return new Promise((resolve) => {
      this.#pending.push(resolve);
      this.most = Math.max(this.most, this.#pending.length);
      setImmediate(() => this.#pending.pop()?.());
    });
  }

  async flush(): Promise<void> {
    this.log.push(`flush beside ${this.#pending.length}`);
  }
}

const LOAD: BenchLoad = {
  count: 10,
  depth: 3,
  offset: 0,
  size: 512,
  step: 512,
  pattern: 0,
  flushInterval: 0,
  drains: true,
};

describe('the requests of a benchmark', () => {
  it('are as many at once as asked for, and come round at the end of the disk', async () => {
    const disk = new SlowDisk(2048);
    await new BenchRun(disk, { ...LOAD, offset: 1024 }).run();
    expect(disk.most).toBe(3);
    expect(disk.log).toEqual([1024, 1536, 0, 512, 1024, 1536, 0, 512, 1024, 1536]);
  });

  it('are waited for before a flush', async () => {
    const disk = new SlowDisk(1 << 20);
    await new BenchRun(disk, { ...LOAD, flushInterval: 4 }).run();
    expect(disk.log.filter((entry) => typeof entry === 'string')).toEqual(['flush beside 0', 'flush beside 0']);
    expect(disk.log.filter((entry) => typeof entry === 'number')).toHaveLength(10);
  });

  it('go on beside a flush where that is asked for', async () => {
    const disk = new SlowDisk(1 << 20);
    await new BenchRun(disk, { ...LOAD, flushInterval: 4, drains: false }).run();
    expect(disk.log).toContain('flush beside 2');
  });

  it('end with the first that fails', async () => {
    const disk: BenchDisk = {
      size: 4096,
      ask: (offset) => {
        if (offset >= 2048) throw new ImageError('io', 'Input/output error');
      },
      flush: async () => {},
    };
    await expect(new BenchRun(disk, LOAD).run()).rejects.toThrow('Failed request: Input/output error');
    await expect(new BenchRun(disk, { ...LOAD, offset: 4096 }).run()).rejects.toThrow('Failed request');
  });
});
