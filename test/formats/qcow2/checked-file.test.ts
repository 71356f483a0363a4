/** How a check reads tables: a damaged image refers to very many that are not there. */
import { describe, expect, it, vi } from 'vitest';
import { CheckedFile } from '../../../src/formats/qcow2/check/checked-file.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { CLUSTER, sample, sampleHeader } from './sample.js';

async function checked() {
  const { bytes } = sample();
  const source = new MemoryStore('x', bytes);
  const request = { repair: 'none', flush: false, events: { onFinding() {}, onTrouble() {} } } as const;
  const file = await CheckedFile.open(sampleHeader(), source, null, request);
  return { file, source, size: bytes.length };
}

describe('an L2 table that is checked', () => {
  it('is looked at up to its last entry that is not zero', async () => {
    const { file, source, size } = await checked();
    const at = size - CLUSTER;
    const table = new Uint8Array(CLUSTER);
    for (const [written, used] of [
      [[], 0],
      [[0], 1],
      [[8 * 100 + 7, 8], 101],
      [[CLUSTER - 8], CLUSTER / 8],
      [[CLUSTER - 1], CLUSTER / 8],
    ] as [number[], number][]) {
      const bytes = new Uint8Array(CLUSTER);
      for (const byte of written) bytes[byte] = 1;
      source.write(at, bytes);
      expect(await file.readL2(at, table)).toBe(used);
      expect(table).toEqual(bytes);
    }
  });

  it('is not even read where it begins beyond the end of the file, and its missing part is zeros', async () => {
    const { file, source, size } = await checked();
    const table = new Uint8Array(CLUSTER).fill(1);
    source.write(size - CLUSTER, new Uint8Array(CLUSTER).fill(1));
    expect(await file.readL2(size - 16, table)).toBe(2);
    const read = vi.spyOn(source, 'read');
    expect(await file.readL2(size, table)).toBe(0);
    expect(await file.readL2(2 ** 50, table)).toBe(0);
    expect(read).not.toHaveBeenCalled();
  });
});
