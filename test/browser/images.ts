/** Disk images for the browser's tests, and the programs that judge its results. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../support/random.js';

const MIB = 1024 * 1024;

export interface Images {
  /** Where they are; tests put their results here too. */
  folder: string;
  /** 24 MiB and a bit: text, random bytes, zeros that are stored, holes. */
  raw: string;
  /** The same disk as qcow2, plain and compressed. */
  qcow2: string;
  packed: string;
  /** 3 GiB of nothing: takes seconds to read and no space. */
  vast: string;
}

export function makeImages(folder: string): Images {
  const at = (name: string) => join(folder, name);
  const images = {
    folder,
    raw: at('disk.img'),
    qcow2: at('plain.qcow2'),
    packed: at('packed.qcow2'),
    vast: at('vast.img'),
  };
  writeSparse(images.raw, 24 * MIB + 1536, [
    [0, text(3 * MIB)],
    [5 * MIB + 4096, new Random(1).bytes(4 * MIB)],
    [12 * MIB, new Uint8Array(2 * MIB)],
    [17 * MIB + 65536, text(700_000)],
    [24 * MIB + 512, new Random(2).bytes(1024)],
  ]);
  writeSparse(images.vast, 3072 * MIB, []);
  qemuImg('convert', '-O', 'qcow2', images.raw, images.qcow2);
  qemuImg('convert', '-c', '-O', 'qcow2', images.raw, images.packed);
  return images;
}

function writeSparse(path: string, size: number, parts: [offset: number, bytes: Uint8Array][]): void {
  const file = openSync(path, 'w');
  for (const [offset, bytes] of parts) writeSync(file, bytes, 0, bytes.length, offset);
  ftruncateSync(file, size);
  closeSync(file);
}

/** Numbered lines: compressible, and no two clusters are alike. */
function text(length: number): Uint8Array {
  let lines = '';
  for (let line = 0; lines.length < length; line++) lines += `${line} the quick brown fox jumps over the lazy dog\n`;
  return Buffer.from(lines.slice(0, length));
}

export function qemuImg(...args: string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8' });
}

/** diskloom in Node. */
export function diskloom(...args: string[]): string {
  return execFileSync(process.execPath, ['dist/cli.js', ...args], { encoding: 'utf8' });
}

/** Whether two files hold the same bytes. */
export function sameBytes(a: string, b: string): boolean {
  return readFileSync(a).equals(readFileSync(b));
}
