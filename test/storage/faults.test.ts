/** Storage that fails by rules. */
import { describe, expect, it } from 'vitest';
import { type FaultRule, FaultRules, type StateRule } from '../../src/storage/faults/rules.js';
import { FaultyStore, NO_LIMITS } from '../../src/storage/faults/store.js';
import { MemoryStore } from '../../src/storage/memory.js';

const EIO = 5;
const ENOSPC = 28;

function fault(rule: Partial<FaultRule>): FaultRule {
  return { event: 'none', state: 0, errno: EIO, kind: null, offset: null, once: false, ...rule };
}

function storeWith(faults: FaultRule[], changes: StateRule[] = [], limits = NO_LIMITS): FaultyStore {
  return new FaultyStore(new MemoryStore('disk', new Uint8Array(64 * 1024)), new FaultRules(faults, changes), limits);
}

const read = (store: FaultyStore, offset = 0, length = 512) => store.read(offset, new Uint8Array(length));

describe('a rule', () => {
  it('does nothing before its event', async () => {
    const store = storeWith([fault({ event: 'l2_load' })]);
    await expect(read(store)).resolves.toBeUndefined();
    store.announce('l2_load');
    await expect(read(store)).rejects.toMatchObject({ code: 'io', message: 'Input/output error' });
  });

  it('stays armed while events come that no rule waits for, and is disarmed by one that some rule waits for', async () => {
    const store = storeWith([fault({ event: 'l2_load' }), fault({ event: 'l1_update', kind: 'write' })]);
    store.announce('l2_load');
    store.announce('cow_read');
    await expect(read(store)).rejects.toThrow('Input/output error');
    store.announce('l1_update');
    await expect(read(store)).resolves.toBeUndefined();
    await expect(store.write(0, new Uint8Array(512))).rejects.toThrow('Input/output error');
  });

  it('fails a single request if it says so', async () => {
    const store = storeWith([fault({ once: true, errno: ENOSPC })]);
    store.announce('none');
    await expect(store.write(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'no-space' });
    await expect(store.write(0, new Uint8Array(1))).resolves.toBeUndefined();
  });

  it('is about the requests that cover its sector', async () => {
    const store = storeWith([fault({ offset: 1024 })]);
    store.announce('none');
    await expect(read(store, 0, 1024)).resolves.toBeUndefined();
    await expect(read(store, 1536)).resolves.toBeUndefined();
    await expect(read(store, 512, 513)).rejects.toThrow('Input/output error');
  });

  it('is about status only if it says so', () => {
    const silent = storeWith([fault({})]);
    silent.announce('none');
    expect(silent.extents(0, 512)).toEqual([{ start: 0, length: 512, hole: false }]);
    const status = storeWith([fault({ kind: 'block-status' })]);
    status.announce('none');
    expect(() => status.extents(0, 512)).toThrow('Input/output error');
  });

  it('names an error by its number, also one without a text', async () => {
    const store = storeWith([fault({ errno: 4000 })]);
    store.announce('none');
    await expect(read(store)).rejects.toMatchObject({ code: 'io', message: 'Unknown error 4000' });
  });
});

describe('the state', () => {
  it('decides which rules an event arms', async () => {
    const store = storeWith([fault({ event: 'read_aio', state: 2 })], [{ event: 'l2_load', state: 1, newState: 2 }]);
    store.announce('read_aio');
    await expect(read(store)).resolves.toBeUndefined();
    store.announce('l2_load');
    store.announce('read_aio');
    await expect(read(store)).rejects.toThrow('Input/output error');
  });
});

describe('limits', () => {
  it('widen requests to whole units', async () => {
    const store = storeWith([fault({ offset: 4095 })], [], { ...NO_LIMITS, align: 4096 });
    store.announce('none');
    await expect(read(store, 0, 1)).rejects.toThrow('Input/output error');
  });

  it('cut what is too large, and what is written or zeroed arrives whole', async () => {
    const inner = new MemoryStore('disk', new Uint8Array(64 * 1024).fill(1));
    const limits = { align: 512, maxTransfer: 1024, zeroAlign: 4096, maxZero: 4096 };
    const store = new FaultyStore(inner, new FaultRules([], []), limits);
    const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
    await store.write(300, bytes);
    const back = new Uint8Array(5000);
    await store.read(300, back);
    expect(back).toEqual(bytes);
    await store.zero(1000, 20_000);
    expect(inner.bytes.subarray(1000, 21_000).some((byte) => byte !== 0)).toBe(false);
    expect([inner.bytes[21_000], inner.bytes[300]]).toEqual([1, 0]);
    expect(inner.bytes[999]).toBe(bytes[699]);
  });

  it('make the edges of a write be read first, which can fail', async () => {
    const rules = [fault({ event: 'pwritev_rmw_tail', kind: 'read' })];
    const store = storeWith(rules, [], { ...NO_LIMITS, align: 4096 });
    await expect(store.write(0, new Uint8Array(4096))).resolves.toBeUndefined();
    await expect(store.write(0, new Uint8Array(5000))).rejects.toThrow('Input/output error');
  });
});
