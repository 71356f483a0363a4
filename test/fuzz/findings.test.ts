/** What the fuzzer has found, built field by field. */

import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { viewOf } from '../../src/bytes.js';
import { convert } from '../../src/commands/convert.js';
import { imageInfo } from '../../src/commands/info.js';
import { COPIED_HIGH, INCOMPATIBLE } from '../../src/formats/qcow2/layout.js';
import { PackedClusters } from '../../src/image/packed.js';
import type { Loan } from '../../src/loan.js';
import { MemoryStore } from '../../src/storage/memory.js';
import { AT, CLUSTER, sample, setEntry } from '../formats/qcow2/sample.js';
import { PlainKernels } from '../support/plain-kernels.js';
import { rejection } from '../support/rejection.js';
import { PagedFile } from './paged-store.js';
import { convertRequest } from './requests.js';
import { IMAGES, TARGETS, World } from './world.js';

const NAME = `${IMAGES}x.qcow2`;
const TARGET = `${TARGETS}new`;

function worldWith(bytes: Uint8Array): World {
  const world = new World(new PlainKernels(), false);
  world.files.set(NAME, PagedFile.of(bytes));
  return world;
}

const info = (world: World) =>
  imageInfo(world, {
    name: NAME,
    format: null,
    imageOptions: false,
    share: false,
    backingChain: true,
    allowExternal: false,
  });

describe('an image that is its own backing file', () => {
  const json = `json:{"driver":"qcow2","file":{"driver":"file","filename":"${IMAGES}./x.qcow2"}}`;

  it.each(['x.qcow2', './x.qcow2', 'sub/../x.qcow2', `file:${IMAGES}x.qcow2`, `${IMAGES}x.qcow2`, json])(
    'is refused by any name: %s',
    async (backingFile) => {
      const { bytes } = sample((header) => {
        header.backingFile = backingFile;
        header.extensions.backingFormat = 'qcow2';
      });
      const world = worldWith(bytes);
      expect((await rejection(() => info(world))).message).toContain('creates an infinite loop.');
      const error = await rejection(() => convert(world, convertRequest(NAME, TARGET, 'raw')));
      expect(error).toMatchObject({ code: 'corrupt' });
      expect(error.message).toContain('creates an infinite loop.');
      expect(world.files.has(TARGET)).toBe(false);
    },
  );
});

describe('a backing file by a json: name that gives a data file', () => {
  const nameWith = (dataFile: string) =>
    `json:{"driver":"qcow2","data-file":{"filename":"${dataFile}"},"file":{"driver":"file","filename":"${IMAGES}base"}}`;

  function worldOf(dataFile: string): World {
    const base = sample((header) => {
      header.incompatibleFeatures = INCOMPATIBLE.dataFile;
      header.extensions.dataFile = 'base.data';
    });
    const top = sample((header) => {
      header.backingFile = nameWith(dataFile);
      header.extensions.backingFormat = 'qcow2';
      header.snapshotCount = 0;
    });
    const world = worldWith(top.bytes);
    world.files.set(`${IMAGES}base`, PagedFile.of(base.bytes));
    world.files.set(`${IMAGES}x.data`, PagedFile.of(new Uint8Array(4096)));
    return world;
  }

  it('is not trusted: the image has named it, not the user', async () => {
    const world = worldOf('/secret');
    const error = await rejection(() => convert(world, convertRequest(NAME, TARGET, 'raw')));
    expect(error).toMatchObject({ code: 'external' });
    expect(error.message).toContain("'/secret' lies outside the directory of the image");
    await info(world);
    expect(world.trespasses).toEqual([]);
  });

  it('is opened beside the image', async () => {
    const world = worldOf(`${IMAGES}x.data`);
    expect((await info(world)).map(({ format }) => format)).toEqual(['qcow2', 'qcow2']);
  });
});

describe('an L1 table that names one L2 table again and again', () => {
  const ENTRIES = 100_000;

  function endless(entries: number): Uint8Array {
    const small = sample((header) => {
      header.l1TableOffset = AT.end;
      header.l1Size = ENTRIES;
      header.size = ENTRIES * (CLUSTER / 8) * CLUSTER;
      header.autoclearFeatures = 0n;
      header.snapshotCount = 0;
    });
    const bytes = new Uint8Array(AT.end + ENTRIES * 8);
    bytes.set(small.bytes);
    const view = viewOf(bytes);
    for (let index = 0; index < entries; index++) setEntry(view, AT.end + 8 * index, COPIED_HIGH, AT.l2);
    return bytes;
  }

  it('is refused by who reads the disk, and described by info', async () => {
    const world = worldWith(endless(ENTRIES));
    const error = await rejection(() => convert(world, convertRequest(NAME, TARGET, 'qcow2')));
    expect(error).toMatchObject({ code: 'corrupt' });
    expect(error.message).toMatch(/L2 tables overlap: the file has 206 clusters, fewer than L2 tables$/);
    expect((await info(world))[0]).toMatchObject({ format: 'qcow2' });
  });

  it('may have more entries than the file has clusters', async () => {
    const world = worldWith(endless(1));
    await convert(world, convertRequest(NAME, TARGET, 'qcow2'));
    expect(world.files.get(TARGET)?.size).toBeGreaterThan(0);
  });
});

describe('compressed clusters that are scattered over the file', () => {
  class CountingKernels extends PlainKernels {
    lent = 0;

    override buffer(length: number): Loan {
      this.lent += length;
      return super.buffer(length);
    }
  }

  it('take memory by their size, not by their number', async () => {
    const [clusterSize, distance, count] = [512, 1000, 1024];
    const stream = deflateRawSync(new Uint8Array(clusterSize).fill(0x22));
    const file = new Uint8Array(distance * count);
    for (let index = 0; index < count; index++) file.set(stream, index * distance);
    const kernels = new CountingKernels();
    const clusters = new PackedClusters(new MemoryStore('image', file), kernels, 'deflate', clusterSize);
    const disk = new Uint8Array(clusterSize * count);
    await clusters.read(
      Array.from({ length: count }, (_, index) => ({
        hostOffset: ((index * 7) % count) * distance,
        packedLength: stream.length,
        skip: 0,
        into: disk.subarray(index * clusterSize, (index + 1) * clusterSize),
      })),
    );
    expect(disk.every((byte) => byte === 0x22)).toBe(true);
    expect(kernels.lent).toBeLessThan(2 * 64 * 1024);
    expect(kernels.held).toBe(0);
  });
});
