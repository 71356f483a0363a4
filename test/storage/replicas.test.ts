/** Storage that is there several times. */
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { MemoryStore } from '../../src/storage/memory.js';
import { ReplicatedStore, type VotingRules } from '../../src/storage/replicas.js';

const RULES: VotingRules = { threshold: 2, rewrites: false, first: false };

function copies(...contents: number[]): MemoryStore[] {
  return contents.map((byte) => new MemoryStore('copy', new Uint8Array(512).fill(byte)));
}

class BrokenStore extends MemoryStore {
  override read(): void {
    throw new ImageError('io', 'Input/output error');
  }
}

async function firstByte(store: ReplicatedStore): Promise<number> {
  const bytes = new Uint8Array(512);
  await store.read(0, bytes);
  return bytes[0]!;
}

describe('reading', () => {
  it('believes what most copies say', async () => {
    expect(await firstByte(new ReplicatedStore('quorum', copies(1, 2, 2), RULES))).toBe(2);
  });

  it('fails where no content has votes enough', async () => {
    await expect(firstByte(new ReplicatedStore('quorum', copies(1, 2, 3), RULES))).rejects.toThrow(
      'Input/output error',
    );
  });

  it('goes on with the copies that can be read, if they are enough', async () => {
    const broken = new BrokenStore('broken', new Uint8Array(512));
    expect(await firstByte(new ReplicatedStore('quorum', [broken, ...copies(4, 4)], RULES))).toBe(4);
    await expect(firstByte(new ReplicatedStore('quorum', [broken, ...copies(4)], RULES))).rejects.toThrow();
    expect(await firstByte(new ReplicatedStore('quorum', [broken, ...copies(4)], { ...RULES, first: true }))).toBe(4);
  });

  it('repairs outvoted copies if it is to', async () => {
    const stores = copies(1, 2, 2);
    await firstByte(new ReplicatedStore('quorum', stores, { ...RULES, rewrites: true }));
    expect(stores[0]!.bytes[511]).toBe(2);
  });

  it('says where copies differ that may not', async () => {
    const [first, second] = copies(1, 1);
    second!.write(100, new Uint8Array([9]));
    const mismatch = (offset: number, length: number, at: number) => `${offset} ${length} ${at}`;
    const store = new ReplicatedStore('blkverify', [first!, second!], { ...RULES, mismatch });
    await expect(firstByte(store)).rejects.toThrow('0 512 100');
  });
});

describe('writing', () => {
  it('goes to all copies', async () => {
    const stores = copies(0, 0);
    const store = new ReplicatedStore('quorum', stores, RULES);
    await store.write(10, new Uint8Array([5]));
    await store.zero(0, 5);
    expect(stores.map(({ bytes }) => bytes[10])).toEqual([5, 5]);
  });
});
