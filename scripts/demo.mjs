// `npm run demo`: makes a small real disk (FAT16 with this project's README on it) and converts it to qcow2.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const SECTOR = 512;
const DISK = 8 * 1024 * 1024;
const CLUSTER = 4 * SECTOR;
const RESERVED = 1;
const FAT_SECTORS = 16;
const ROOT_ENTRIES = 512;

/** A FAT16 volume without partition table, with files in its root directory. */
function fatDisk(files) {
  const disk = new Uint8Array(DISK);
  const view = new DataView(disk.buffer);
  const text = (at, value) => disk.set(new TextEncoder().encode(value), at);
  disk.set([0xeb, 0x3c, 0x90]);
  text(3, 'DISKLOOM');
  view.setUint16(11, SECTOR, true);
  view.setUint8(13, CLUSTER / SECTOR);
  view.setUint16(14, RESERVED, true);
  view.setUint8(16, 2); // copies of the FAT
  view.setUint16(17, ROOT_ENTRIES, true);
  view.setUint16(19, DISK / SECTOR, true);
  view.setUint8(21, 0xf8);
  view.setUint16(22, FAT_SECTORS, true);
  view.setUint8(38, 0x29);
  text(43, 'DISKLOOM   FAT16   ');
  view.setUint16(510, 0xaa55, true);

  const fats = [RESERVED * SECTOR, (RESERVED + FAT_SECTORS) * SECTOR];
  const root = (RESERVED + 2 * FAT_SECTORS) * SECTOR;
  const data = root + ROOT_ENTRIES * 32;
  const setFat = (cluster, value) => {
    for (const fat of fats) view.setUint16(fat + 2 * cluster, value, true);
  };
  setFat(0, 0xfff8);
  setFat(1, 0xffff);
  let next = 2;
  files.forEach(([name, bytes], index) => {
    const entry = root + 32 * index;
    text(entry, name);
    view.setUint8(entry + 11, 0x20);
    view.setUint16(entry + 26, next, true);
    view.setUint32(entry + 28, bytes.length, true);
    disk.set(bytes, data + (next - 2) * CLUSTER);
    const last = next + Math.max(1, Math.ceil(bytes.length / CLUSTER)) - 1;
    for (; next < last; next++) setFat(next, next + 1);
    setFat(next++, 0xffff);
  });
  return disk;
}

mkdirSync('build/demo', { recursive: true });
writeFileSync(
  'build/demo/disk.raw',
  fatDisk([
    ['README  MD ', readFileSync('README.md')],
    ['LICENSE    ', readFileSync('LICENSE')],
  ]),
);

for (const args of [
  ['convert', '-p', '-c', '-f', 'raw', '-O', 'qcow2', 'build/demo/disk.raw', 'build/demo/disk.qcow2'],
  ['info', 'build/demo/disk.qcow2'],
]) {
  console.log(`$ diskloom ${args.join(' ')}`);
  execFileSync(process.execPath, ['dist/cli.js', ...args], { stdio: 'inherit' });
}
