import type { Libc } from '../../src/platform/node/libc.js';

const MiB = 1024 * 1024;

/** A C library that only records what space it is asked for: mode, offset and length in MiB; `answers` are taken one a call, then 0. */
export function recordedFallocate(answers: number[] = []): { libc: Libc; calls: [number, number, number][] } {
  const calls: [number, number, number][] = [];
  const fallocate = (_fd: number, mode: number, offset: number, length: number) => {
    calls.push([mode, offset / MiB, length / MiB]);
    return answers.shift() ?? 0;
  };
  return { libc: { fallocate } as Libc, calls };
}
