/** What the tests of reading qcow2 share. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ImageError } from '../../../src/errors.js';
import type { QcowImage } from '../../../src/formats/qcow2/image.js';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import { openQcow2 } from '../../../src/formats/qcow2/open.js';
import type { DriverContext } from '../../../src/image/driver.js';
import type { Extent, Image } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import { createNodeKernels } from '../../../src/platform/node/kernels.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import type { ByteSource } from '../../../src/storage/storage.js';
import { qemuImg } from '../../support/qemu.js';

export const kernels = createNodeKernels({ workers: 0 });

/** A context whose references are files beside `file`. */
export function contextFor(file: string, runtimeOptions?: OptionValues): DriverContext {
  return {
    kernels,
    async openReference(name) {
      const path = resolve(dirname(file), name);
      try {
        return new MemoryStore(name, readFileSync(path));
      } catch (cause) {
        throw new ImageError('not-found', `Could not open '${name}': No such file or directory`, { cause });
      }
    },
    ...(runtimeOptions === undefined ? {} : { runtimeOptions }),
  };
}

export function openFile(file: string, runtimeOptions?: OptionValues): Promise<QcowImage> {
  return openQcow2(new MemoryStore(file, readFileSync(file)), contextFor(file, runtimeOptions));
}

export function openBytes(bytes: Uint8Array): Promise<QcowImage> {
  return openQcow2(new MemoryStore('image', bytes), contextFor('image'));
}

export function openSource(source: ByteSource): Promise<Image> {
  return qcow2.open!(source, contextFor(source.name));
}

/** The whole disk, read in pieces of `step` bytes. */
export async function readAll(image: Image, step = 2 * 1024 * 1024): Promise<Uint8Array> {
  const disk = new Uint8Array(image.size).fill(0xa5);
  for (let at = 0; at < image.size; at += step) await image.read(at, disk.subarray(at, at + step));
  return disk;
}

/** All extents; checks that they tile the disk. */
export async function extentsOf(image: Image): Promise<Extent[]> {
  const extents: Extent[] = [];
  for (let at = 0; at < image.size; ) {
    for (const extent of await image.extents(at, image.size - at)) {
      if (extent.start !== at || extent.length <= 0) throw new Error(`a gap at ${at}: ${JSON.stringify(extent)}`);
      at += extent.length;
      extents.push(extent);
    }
  }
  return extents;
}

/** A line of `qemu-img map --output=json`. */
export interface MapLine {
  start: number;
  length: number;
  present: boolean;
  zero: boolean;
  data: boolean;
  compressed: boolean;
  offset?: number;
}

/** `qemu-img map` of an image without a backing file, without what it only says of the chain. */
export function qemuMap(file: string): MapLine[] {
  const lines = JSON.parse(qemuImg('map', '--output=json', '-f', 'qcow2', file)) as (MapLine & { depth: number })[];
  return lines.map(({ depth: _, ...line }) => line);
}

/** What `qemu-img map` would make of these extents. */
export function asMap(extents: readonly Extent[]): MapLine[] {
  const lines: MapLine[] = [];
  for (const { start, length, kind, compressed, hostOffset } of extents) {
    const line: MapLine = {
      start,
      length,
      present: kind !== 'unallocated',
      zero: kind !== 'data',
      data: kind === 'data',
      compressed,
      ...(hostOffset === null ? {} : { offset: hostOffset }),
    };
    const last = lines.at(-1);
    if (last !== undefined && mergeable(last, line)) last.length += length;
    else lines.push(line);
  }
  return lines;
}

function mergeable(a: MapLine, b: MapLine): boolean {
  const sameKind = a.present === b.present && a.zero === b.zero && a.data === b.data && a.compressed === b.compressed;
  return sameKind && (a.offset === undefined ? b.offset === undefined : a.offset + a.length === b.offset);
}
