/** The output of `info`, as people read it. */

import type { NodeInfo } from '../commands/info.js';
import { orderedEntries } from '../commands/json.js';
import { digits, formatSize } from '../commands/sizes.js';
import type { Json, SnapshotInfo } from '../image/image.js';

/** A chain of images, separated by empty lines. */
export function infoText(infos: readonly NodeInfo[]): string {
  return infos.map((info) => nodeText(info, 0, '/')).join('\n');
}

function nodeText(info: NodeInfo, level: number, path: string): string {
  const indent = '    '.repeat(level);
  const own = [...mainLines(info, level), ...snapshotLines(info.snapshots)].map((line) => `${indent}${line}\n`);
  const specific = specificText(info, level);
  const children = info.children.map(
    ({ role, info: child }) =>
      `${indent}Child node '${path}${role}':\n${nodeText(child, level + 1, `${path}${role}/`)}`,
  );
  return own.join('') + specific + children.join('');
}

function mainLines(info: NodeInfo, level: number): string[] {
  const isProtocol = level > 0 && info.children.length === 0;
  const lines = [
    `${isProtocol ? 'filename' : 'image'}: ${info.fileName}`,
    `${isProtocol ? 'protocol type' : 'file format'}: ${info.format}`,
    `${isProtocol ? 'file length' : 'virtual size'}: ${formatSize(info.virtualSize)} (${digits(info.virtualSize)} bytes)`,
    `disk size: ${info.actualSize === null ? 'unavailable' : formatSize(info.actualSize)}`,
  ];
  if (info.encrypted) lines.push('encrypted: yes');
  if (info.clusterSize !== null) lines.push(`cluster_size: ${info.clusterSize}`);
  if (info.dirty) lines.push('cleanly shut down: no');
  if (info.backing !== null) lines.push(...backingLines(info.backing));
  return lines;
}

function backingLines({ name, fullName, format }: NonNullable<NodeInfo['backing']>): string[] {
  const actual =
    fullName === null ? ' (cannot determine actual path)' : fullName === name ? '' : ` (actual path: ${fullName})`;
  const lines = [`backing file: ${name}${actual}`];
  if (format !== null) lines.push(`backing file format: ${format}`);
  return lines;
}

function specificText({ specific }: NodeInfo, level: number): string {
  if (specific === null || Object.keys(specific.data).length === 0) return '';
  const indent = '    '.repeat(level);
  return `${indent}Format specific information:\n${objectText(specific.data, level + 1)}`;
}

/** Nested values, one a line; dashes in names become spaces. */
function objectText(object: { [key: string]: Json }, level: number): string {
  return orderedEntries(object)
    .map(([key, value]) => entryText(key.replaceAll('-', ' '), value, level))
    .join('');
}

function entryText(name: string, value: Json, level: number): string {
  const head = `${'    '.repeat(level)}${name}:`;
  if (Array.isArray(value)) {
    return `${head}\n${value.map((item, index) => entryText(`[${index}]`, item, level + 1)).join('')}`;
  }
  if (value !== null && typeof value === 'object') return `${head}\n${objectText(value, level + 1)}`;
  return `${head} ${value}\n`;
}

const HEADING = ['ID', 'TAG', 'VM_SIZE', 'DATE', 'VM_CLOCK', 'ICOUNT'];

/** The table of `snapshot -l`, without line ends; nothing where there are no snapshots. */
export function snapshotLines(snapshots: readonly SnapshotInfo[]): string[] {
  if (snapshots.length === 0) return [];
  return ['Snapshot list:', columns(HEADING), ...snapshots.map(snapshotLine)];
}

function snapshotLine(snapshot: SnapshotInfo): string {
  const { id, name, vmStateSize, date, vmClock, icount } = snapshot;
  return columns([
    id,
    name,
    formatSize(vmStateSize),
    localTime(date.seconds),
    clock(vmClock),
    icount === null ? '--' : String(icount),
  ]);
}

function columns([id, tag, size, date, vmClock, icount]: string[]): string {
  return [
    id!.padEnd(7),
    tag!.padEnd(16),
    size!.padStart(8),
    date!.padStart(19),
    vmClock!.padStart(15),
    icount!.padStart(10),
  ].join(' ');
}

function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** `hhhh:mm:ss.mmm` of nanoseconds. */
function clock(nanoseconds: bigint): string {
  const milliseconds = nanoseconds / 1_000_000n;
  const padded = (value: bigint, digits: number) => String(value).padStart(digits, '0');
  const seconds = milliseconds / 1000n;
  const time = [padded(seconds / 3600n, 4), padded((seconds / 60n) % 60n, 2), padded(seconds % 60n, 2)].join(':');
  return `${time}.${padded(milliseconds % 1000n, 3)}`;
}
