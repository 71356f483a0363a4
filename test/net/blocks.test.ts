import { describe, expect, it } from 'vitest';
import { allDone, cutAtBlocks, inPieces } from '../../src/platform/net/nbd/blocks.js';

describe('cutting at blocks', () => {
  it.each([
    { range: [0, 1024], edges: [], middle: [0, 1024] },
    { range: [512, 512], edges: [], middle: [512, 512] },
    { range: [1, 1024], edges: [[1, 512]], middle: [512, 1024] },
    { range: [512, 1025], edges: [[1024, 1025]], middle: [512, 1024] },
    {
      range: [100, 1600],
      edges: [
        [100, 512],
        [1536, 1600],
      ],
      middle: [512, 1536],
    },
    { range: [100, 200], edges: [[100, 200]], middle: null },
    {
      range: [500, 600],
      edges: [
        [500, 512],
        [512, 600],
      ],
      middle: null,
    },
    { range: [1536, 1700], edges: [], middle: [1536, 1700] }, // the end cuts this block off: it is whole
    { range: [1600, 1700], edges: [[1600, 1700]], middle: null },
  ])('[$range) in blocks of 512, at the end 1700', ({ range, edges, middle }) => {
    const cut = cutAtBlocks(range[0]!, range[1]!, 512, 1700);
    expect(cut.edges.map(({ start, end }) => [start, end])).toEqual(edges);
    const { start, end } = cut.middle;
    expect(start < end || middle !== null ? [start, end] : null).toEqual(middle);
  });
});

describe('work in pieces', () => {
  it('covers the range with at most so many pieces at once', async () => {
    const pieces: number[][] = [];
    let active = 0;
    let most = 0;
    await inPieces({ start: 5, end: 48 }, 10, 3, async (start, end) => {
      most = Math.max(most, ++active);
      pieces.push([start, end]);
      await new Promise((resolve) => setTimeout(resolve, 1));
      active--;
    });
    expect(pieces).toEqual([
      [5, 15],
      [15, 25],
      [25, 35],
      [35, 45],
      [45, 48],
    ]);
    expect(most).toBe(3);
  });

  it('begins nothing new after a failure and waits for what was begun', async () => {
    const begun: number[] = [];
    let finished = 0;
    const work = inPieces({ start: 0, end: 100 }, 10, 2, async (start) => {
      begun.push(start);
      if (start === 0) throw new Error('first');
      await new Promise((resolve) => setTimeout(resolve, 5));
      finished++;
    });
    await expect(work).rejects.toThrow('first');
    expect([begun, finished]).toEqual([[0, 10], 1]);
  });

  it('waits for all before it reports a failure', async () => {
    let finished = false;
    const slow = new Promise<void>((resolve) => setTimeout(resolve, 5)).then(() => {
      finished = true;
    });
    await expect(allDone([Promise.reject(new Error('x')), slow])).rejects.toThrow('x');
    expect(finished).toBe(true);
  });
});
