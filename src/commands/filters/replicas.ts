/** `driver=quorum` and `driver=blkverify`: storage that is there several times. */
import { ImageError } from '../../errors.js';
import { ReplicatedStore, type VotingRules } from '../../storage/replicas.js';
import type { ByteStore } from '../../storage/storage.js';
import { type BlockdevOptions, parseNumberOption, parseSwitch, type Scalar, textOf } from '../blockdev.js';
import { exactName, storageOf } from '../graph.js';
import type { FilterContext, FilterDriver, OpenedChild } from './filter.js';

const QUORUM_OPTIONS = ['vote-threshold', 'blkverify', 'rewrite-corrupted', 'read-pattern'];

export const quorum: FilterDriver = {
  name: 'quorum',
  async open(options, context) {
    const given = options.takeMatching((key) => QUORUM_OPTIONS.includes(key));
    const count = countChildren(options);
    const rules = votingRules(given, count);
    const copies: OpenedChild[] = [];
    for (let index = 0; index < count; index++)
      copies.push(await context.openChild(options, `children.${index}`, true));
    requireOneSize(copies);
    return {
      kind: 'storage',
      storage: {
        store: new ReplicatedStore('quorum', copies.map(storeOf), rules),
        driver: 'quorum',
        fileName: null,
        options: Object.fromEntries(given),
        allocated: copies.reduce((sum, { node }) => sum + (storageOf(node).allocated ?? 0), 0),
        hasFlags: false,
      },
      // The latest first, as QEMU lists them.
      children: copies.map(({ node }, index) => ({ role: `children.${index}`, node })).reverse(),
    };
  },
};

export const blkverify: FilterDriver = {
  name: 'blkverify',
  parseName(rest) {
    const colon = rest.indexOf(':');
    if (colon < 0) throw new ImageError('invalid', 'blkverify requires raw copy and original image path');
    return [
      ['raw.filename', rest.slice(0, colon)],
      ['test.file.filename', rest.slice(colon + 1)],
    ];
  },
  async open(options: BlockdevOptions, context: FilterContext) {
    const raw = await context.openChild(options, 'raw');
    const test = await context.openChild(options, 'test', true);
    const mismatch = (offset: number, length: number, at: number) =>
      `blkverify: read offset=${offset} bytes=${length} contents mismatch at offset ${at}`;
    const [rawName, testName] = [exactName(raw.node), exactName(test.node)];
    const rules = { threshold: 2, rewrites: false, first: false, mismatch };
    return {
      kind: 'storage',
      storage: {
        store: new ReplicatedStore('blkverify', [test.store, raw.store], rules),
        driver: 'blkverify',
        fileName: rawName === null || testName === null ? null : `blkverify:${rawName}:${testName}`,
        options: {},
        allocated: null,
        hasFlags: true,
      },
      children: [
        { role: 'test', node: test.node },
        { role: 'raw', node: raw.node },
      ],
    };
  },
};

function storeOf({ store }: OpenedChild): ByteStore {
  return store;
}

/** Children are numbered from 0. Throws `invalid` where one is missing. */
function countChildren(options: BlockdevOptions): number {
  const numbers = new Set(options.keys().map((key) => /^children\.(\d+)(\.|$)/.exec(key)?.[1]));
  numbers.delete(undefined);
  for (let index = 0; index < numbers.size; index++) {
    if (!numbers.has(String(index))) throw new ImageError('invalid', 'Option children is not a valid array');
  }
  if (numbers.size === 0) throw new ImageError('invalid', 'Number of provided children must be 1 or more');
  return numbers.size;
}

function votingRules(given: ReadonlyMap<string, Scalar>, count: number): VotingRules {
  const text = (name: string, absent: string) => textOf(given.get(name) ?? absent);
  const threshold = parseNumberOption('vote-threshold', text('vote-threshold', '0'));
  if (threshold < 1) throw new ImageError('invalid', "Parameter 'vote-threshold' expects a value >= 1");
  if (threshold > count) throw new ImageError('invalid', 'threshold may not exceed children count');
  const pattern = text('read-pattern', 'quorum');
  if (pattern !== 'quorum' && pattern !== 'fifo')
    throw new ImageError('invalid', 'Please set read-pattern as fifo or quorum');
  if (pattern === 'fifo') return { threshold, rewrites: false, first: true };
  const verifies = parseSwitch('blkverify', text('blkverify', 'off'));
  const rewrites = parseSwitch('rewrite-corrupted', text('rewrite-corrupted', 'off'));
  if (verifies && (count !== 2 || threshold !== 2))
    throw new ImageError(
      'invalid',
      'blkverify=on can only be set if there are exactly two files and vote-threshold is 2',
    );
  if (verifies && rewrites) throw new ImageError('invalid', 'rewrite-corrupted=on cannot be used with blkverify=on');
  if (!verifies) return { threshold, rewrites, first: false };
  const mismatch = (offset: number, length: number, at: number) =>
    `quorum: offset=${offset} bytes=${length} contents mismatch at offset ${at}`;
  return { threshold, rewrites, first: false, mismatch };
}

function requireOneSize(copies: readonly OpenedChild[]): void {
  const [first] = copies;
  if (copies.some(({ store }) => store.size !== first!.store.size))
    throw new ImageError('io', 'Could not refresh total sector count: Input/output error');
}
