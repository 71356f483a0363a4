/** Grain tables walked from front to back: what is known to be absent, and what is read to know it. */
import { describe, expect, it } from 'vitest';
import type { SparseShape } from '../../../src/formats/vmdk/sparse-header.js';
import { GrainTables } from '../../../src/formats/vmdk/tables.js';
import type { ByteSource } from '../../../src/storage/storage.js';
import { Random } from '../../support/random.js';

const PER_TABLE = 512;
const TABLE = 4 * PER_TABLE;
const DIRECTORY = 512;
const FIRST_TABLE = 4096;

/** A directory of `tables` tables; of each that `present` accepts, the grains that `stored` accepts have entries. */
function fileOf(tables: number, present: (table: number) => boolean, stored: (grain: number) => boolean): Uint8Array {
  const bytes = new Uint8Array(FIRST_TABLE + tables * TABLE);
  const view = new DataView(bytes.buffer);
  for (let table = 0; table < tables; table++) {
    if (!present(table)) continue;
    const at = FIRST_TABLE + table * TABLE;
    view.setUint32(DIRECTORY + 4 * table, at / 512, true);
    for (let i = 0; i < PER_TABLE; i++)
      if (stored(table * PER_TABLE + i)) view.setUint32(at + 4 * i, 7 * (table * PER_TABLE + i) + 128, true);
  }
  return bytes;
}

/** Blocks of zeros are holes, as far as `tellsHoles` goes: not at all, at once, or later. */
function sourceOf(bytes: Uint8Array, tellsHoles: 'never' | 'at once' | 'later') {
  const reads: number[] = [];
  const isHole = (at: number) => bytes.subarray(at, at + 4096).every((byte) => byte === 0);
  const extents = (offset: number, length: number) => {
    const hole = isHole(offset - (offset % 4096));
    let end = offset - (offset % 4096) + 4096;
    while (end < offset + length && isHole(end) === hole) end += 4096;
    return [{ start: offset, length: Math.min(end - offset, length), hole }];
  };
  const source: ByteSource = {
    name: 'memory',
    size: bytes.length,
    transfer: 256 * 1024,
    read(offset, into) {
      reads.push(offset);
      into.set(bytes.subarray(offset, offset + into.length));
    },
    close: async () => {},
  };
  if (tellsHoles === 'at once') source.extents = extents;
  if (tellsHoles === 'later') source.extents = async (offset, length) => extents(offset, length);
  return { source, reads };
}

function open(source: ByteSource, tables: number): GrainTables {
  const shape = { directoryEntries: tables, entriesPerTable: PER_TABLE } as SparseShape;
  return new GrainTables(source, null, DIRECTORY, shape, 1024 * 1024);
}

describe.each(['never', 'at once', 'later'] as const)('holes are told %s', (tellsHoles) => {
  it.each([1, 2, 3, 4])('what is absent is absent, with seed %i', (seed) => {
    const random = new Random(seed);
    const tables = 40;
    const kinds = Array.from({ length: tables }, () => random.below(4));
    const stored = Array.from({ length: tables * PER_TABLE }, (_, grain) => {
      const kind = kinds[Math.floor(grain / PER_TABLE)]!;
      return kind === 1 ? random.below(3) === 0 : kind === 2 && random.below(200) === 0;
    });
    const bytes = fileOf(
      tables,
      (table) => kinds[table] !== 0,
      (grain) => stored[grain]!,
    );
    const walked = open(sourceOf(bytes, tellsHoles).source, tables);
    for (let grain = 0; grain < stored.length; ) {
      const entry = walked.get(grain);
      expect(entry).toBe(stored[grain] ? 7 * grain + 128 : 0);
      const count = entry === 0 ? walked.absentFrom(grain) : 1;
      expect(count).toBeGreaterThan(0);
      expect(stored.slice(grain, grain + count).filter((each) => each).length).toBe(entry === 0 ? 0 : 1);
      grain += count;
    }
  });
});

describe('tables that are holes of their file', () => {
  const tables = 1000;
  const walk = (tellsHoles: 'never' | 'at once') => {
    const { source, reads } = sourceOf(
      fileOf(
        tables,
        () => true,
        (grain) => grain === 5,
      ),
      tellsHoles,
    );
    const walked = open(source, tables);
    let steps = 0;
    for (let grain = 0; grain < tables * PER_TABLE; steps++)
      grain += walked.get(grain) === 0 ? walked.absentFrom(grain) : 1;
    return { steps, reads: reads.length };
  };

  it('are read where nobody tells of holes, a page at a time', () => {
    expect(walk('never').reads).toBeGreaterThan((tables * TABLE) / 512);
  });

  it('are not read, and passed a table at a time', () => {
    const { steps, reads } = walk('at once');
    expect(reads).toBeLessThan(60);
    expect(steps).toBeLessThan(1.2 * tables);
  });
});
