/** The output of `info --output=json`: the fields and the nesting of QEMU's `BlockGraphInfo`. */
import type { NodeInfo } from '../commands/info.js';
import { prettyJson } from '../commands/json.js';
import type { Json, SnapshotInfo } from '../image/image.js';

/** One image as an object, a chain as an array of them. */
export function infoJson(infos: readonly NodeInfo[], asChain: boolean): string {
  const nodes = infos.map(nodeJson);
  return `${prettyJson(asChain ? nodes : nodes[0]!)}\n`;
}

function nodeJson(info: NodeInfo): { [key: string]: Json } {
  const { children, backing, snapshots, specific } = info;
  return {
    filename: info.fileName,
    format: info.format,
    'virtual-size': info.virtualSize,
    ...(info.actualSize === null ? {} : { 'actual-size': info.actualSize }),
    ...(info.encrypted ? { encrypted: true } : {}),
    ...(info.clusterSize === null ? {} : { 'cluster-size': info.clusterSize }),
    ...(info.dirty === null ? {} : { 'dirty-flag': info.dirty }),
    ...(specific === null ? {} : { 'format-specific': specific }),
    ...(backing === null ? {} : backingJson(backing)),
    ...(snapshots.length === 0 ? {} : { snapshots: snapshots.map(snapshotJson) }),
    children: children.map(({ role, info: child }) => ({ name: role, info: nodeJson(child) })),
  };
}

function backingJson({ name, fullName, format }: NonNullable<NodeInfo['backing']>): { [key: string]: Json } {
  return {
    'backing-filename': name,
    ...(fullName === null ? {} : { 'full-backing-filename': fullName }),
    ...(format === null ? {} : { 'backing-filename-format': format }),
  };
}

function snapshotJson(snapshot: SnapshotInfo): { [key: string]: Json } {
  const { id, name, vmStateSize, date, vmClock, icount } = snapshot;
  return {
    id,
    name,
    'vm-state-size': vmStateSize,
    'date-sec': date.seconds,
    'date-nsec': date.nanoseconds,
    'vm-clock-sec': vmClock / 1_000_000_000n,
    'vm-clock-nsec': vmClock % 1_000_000_000n,
    ...(icount === null ? {} : { icount }),
  };
}
