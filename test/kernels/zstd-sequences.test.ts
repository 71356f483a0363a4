/** Sequences sections put together by hand: offsets, repeated offsets, table modes. */
import { describe, expect, it } from 'vitest';
import { makeKernel } from './support.js';
import {
  attempt,
  backward,
  compressedBlock,
  frame,
  Model,
  oneSequence,
  rawBlock,
  rawLiterals,
  type Sequence,
  WINDOWED,
} from './zstd-support.js';

const kernel = makeKernel();
const abc = [97, 98, 99];

function decode(packed: Uint8Array | number[], length: number): number[] | null {
  const content = attempt(kernel, Uint8Array.from(packed), length);
  return content === null ? null : [...content];
}

describe('zstd sequences', () => {
  const start = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

  /** One block a sequence, each with its literals, behind a raw block. */
  function run(sequences: Sequence[]): void {
    const model = new Model();
    model.output.push(...start);
    const blocks = sequences.map((sequence, index) => {
      const literals = Array.from({ length: sequence.literals + (index % 3) }, (_, at) => 100 + index * 8 + at);
      model.execute(literals, sequence);
      const content = [...rawLiterals(literals), ...oneSequence(sequence)];
      return compressedBlock(content, index === sequences.length - 1);
    });
    const packed = [...WINDOWED, ...rawBlock(start), ...blocks.flat()];
    expect(decode(packed, model.output.length)).toEqual(model.output);
  }

  it('every offset below a vector, and overlapping copies of every length', () => {
    for (let offset = 1; offset <= 12; offset++) {
      for (let match = 3; match <= 34; match++) run([{ literals: 0, offsetValue: offset + 3, match }]);
    }
  });

  it('repeated offsets with literals', () => {
    run([
      { literals: 3, offsetValue: 1, match: 5 },
      { literals: 1, offsetValue: 2, match: 6 },
      { literals: 2, offsetValue: 3, match: 4 },
      { literals: 1, offsetValue: 12, match: 10 },
      { literals: 4, offsetValue: 3, match: 3 },
      { literals: 4, offsetValue: 2, match: 7 },
    ]);
  });

  it('repeated offsets without literals', () => {
    run([
      { literals: 0, offsetValue: 1, match: 5 },
      { literals: 0, offsetValue: 2, match: 6 },
      { literals: 0, offsetValue: 3, match: 4 },
      { literals: 0, offsetValue: 3, match: 4 },
      { literals: 2, offsetValue: 13, match: 4 },
      { literals: 0, offsetValue: 3, match: 8 },
      { literals: 0, offsetValue: 1, match: 8 },
    ]);
  });

  const refuse = (sequence: Sequence, literals: number[]) => {
    const block = compressedBlock([...rawLiterals(literals), ...oneSequence(sequence)], true);
    const length = start.length + literals.length + sequence.match;
    return decode([...WINDOWED, ...rawBlock(start), ...block], length) === null;
  };

  it('refuses offset 0, offsets behind the start of the frame, literals that are not there', () => {
    // The first repeated offset is 1 at the start, and without literals value 3 is that less one.
    expect(refuse({ literals: 0, offsetValue: 3, match: 3 }, [])).toBe(true);
    expect(refuse({ literals: 0, offsetValue: 12 + 3, match: 3 }, [])).toBe(false);
    expect(refuse({ literals: 0, offsetValue: 13 + 3, match: 3 }, [])).toBe(true);
    expect(refuse({ literals: 1, offsetValue: 13 + 3, match: 3 }, [9])).toBe(false);
    expect(refuse({ literals: 2, offsetValue: 4, match: 3 }, [9])).toBe(true);
  });

  it('a match does not reach into the frame before', () => {
    const block = compressedBlock(
      [...rawLiterals([9]), ...oneSequence({ literals: 1, offsetValue: 2 + 3, match: 3 })],
      true,
    );
    const packed = [...frame(3, rawBlock(abc, true)), ...WINDOWED, ...block];
    expect(decode(packed, 7)).toBe(null);
  });

  it('repeat mode: the tables of the block before', () => {
    const first = compressedBlock([...rawLiterals([5]), ...oneSequence({ literals: 1, offsetValue: 4, match: 6 })]);
    // All three tables repeated; only the two extra bits of offset code 2 are left.
    const again = compressedBlock([...rawLiterals([6]), 1, 0b11_11_11_00, ...backward([[1, 2]])], true);
    expect(decode([...WINDOWED, ...first, ...again], 14)).toEqual([5, 5, 5, 5, 5, 5, 5, 6, 5, 6, 5, 6, 5, 6]);
    // Nothing to repeat in the first block of a frame.
    expect(decode([...WINDOWED, ...again], 7)).toBe(null);
    expect(decode([...WINDOWED, ...first, ...WINDOWED, ...again], 14)).toBe(null);
  });

  it('predefined tables', () => {
    // States 0: literal length code 0, offset code 0, match length code 0; then the last one of each table.
    const zero = backward([
      [0, 6],
      [0, 5],
      [0, 6],
    ]);
    const head = [...WINDOWED, ...rawBlock(start)];
    // Offset value 1 without literals is the second repeated offset, 4.
    expect(decode([...head, ...compressedBlock([0, 1, 0, ...zero], true)], 15)).toEqual([...start, 9, 10, 11]);
    const zeroTwice = compressedBlock([0, 1, 0, ...zero]);
    const repeated = compressedBlock([0, 1, 0b11_11_11_00, ...zero], true);
    expect(decode([...head, ...zeroTwice, ...repeated], 18)).toEqual([...start, 9, 10, 11, 11, 11, 11]);
  });

  it('refuses broken sections', () => {
    const good = oneSequence({ literals: 1, offsetValue: 4, match: 6 });
    const section = (sequences: number[], literals = [5]) => {
      return decode([...WINDOWED, ...compressedBlock([...rawLiterals(literals), ...sequences], true)], 7);
    };
    expect(section(good)).toEqual(new Array(7).fill(5));
    // Reserved bits of the modes; codes that do not exist; an announced number that the stream does not have.
    expect(section(good.with(1, 0b01_01_01_01))).toBe(null);
    expect(section(good.with(2, 36))).toBe(null);
    expect(section(good.with(3, 32))).toBe(null);
    expect(section(good.with(4, 53))).toBe(null);
    expect(section(good.with(0, 2))).toBe(null);
    // Bits left over; no end mark; nothing where the stream should be; bytes behind a section without sequences.
    expect(section([...good.slice(0, -1), ...backward([[0, 9]])])).toBe(null);
    expect(section([...good.slice(0, -1), 0])).toBe(null);
    expect(section(good.slice(0, -1))).toBe(null);
    expect(section([])).toBe(null);
    expect(section([0, 0], [1, 2, 3, 4, 5, 6, 7])).toBe(null);
    expect(section([0], [1, 2, 3, 4, 5, 6, 7])).toEqual([1, 2, 3, 4, 5, 6, 7]);
    // The two-byte number 0 is as good as the one-byte number.
    expect(section([128, 0, ...good.slice(1)])).toBe(null);
    expect(section([128, 0], [1, 2, 3, 4, 5, 6, 7])).toEqual([1, 2, 3, 4, 5, 6, 7]);
    // The two-byte number 1 is as good as the one-byte number.
    expect(section([128, 1, ...good.slice(1)])).toEqual(new Array(7).fill(5));
  });

  it('refuses distributions that break their limits', () => {
    const table = (modes: number, description: number[]) => {
      return decode([...WINDOWED, ...compressedBlock([...rawLiterals(abc), 1, modes, ...description], true)], 6);
    };
    // Accuracy 10 for literal lengths, 9 for offsets; a description that ends in the middle; 37 literal length codes.
    expect(table(0b10_01_01_00, [5, 0, 0, 0, 0, 0, 0, 0])).toBe(null);
    expect(table(0b01_10_01_00, [0, 4, 0, 0, 0, 0, 0, 0])).toBe(null);
    expect(table(0b10_01_01_00, [0x01])).toBe(null);
    expect(table(0b10_01_01_00, [0b0001_0000, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])).toBe(null);
  });
});
