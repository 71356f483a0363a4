/** `info`: what an image says of itself, layer by layer. */
import { roundUp } from '../bytes.js';
import { ImageError } from '../errors.js';
import { SECTOR } from '../image/concat.js';
import type { Json, SnapshotInfo } from '../image/image.js';
import { endlessChain, fullBackingName } from './backing-name.js';
import { childrenOf, contentsOf, formatName, type GraphNode, nodeName, storageOf, viewedImage } from './graph.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';

export interface InfoRequest extends ImageName, Trust {
  share: boolean;
  /** Tell of the backing files too. */
  backingChain: boolean;
}

/** What is known of one node; sizes in bytes. */
export interface NodeInfo {
  fileName: string;
  format: string;
  virtualSize: number;
  /** Space in use; null: unknown. */
  actualSize: number | null;
  encrypted: boolean;
  /** null: the format has no such thing. */
  clusterSize: number | null;
  /** Not closed properly; null: it cannot be told. */
  dirty: boolean | null;
  /** `fullName` is null where nobody knows the directory that a relative name counts from. */
  backing: { name: string; fullName: string | null; format: string | null } | null;
  snapshots: readonly SnapshotInfo[];
  specific: { type: string; data: { [key: string]: Json } } | null;
  /** What it is made of; of an image `file` comes last. */
  children: readonly { role: string; info: NodeInfo }[];
}

/** Throws what opening throws. */
export function imageInfo(platform: Platform, request: InfoRequest): Promise<NodeInfo[]> {
  return ImageOpener.use(platform, request, async (opener) => {
    const { layers, trouble } = await describeChain(opener, request);
    if (trouble !== null) throw trouble;
    return layers;
  });
}

/** A chain as far as it can be opened; `trouble`: why no further. Throws what opening the first image throws. */
export async function describeChain(
  opener: ImageOpener,
  request: InfoRequest,
): Promise<{ layers: NodeInfo[]; trouble: ImageError | null }> {
  const layers: NodeInfo[] = [];
  try {
    await walkChain(opener, request, layers);
    return { layers, trouble: null };
  } catch (error) {
    if (layers.length === 0 || !(error instanceof ImageError)) throw error;
    return { layers, trouble: error };
  }
}

/** The images of a chain, opened one by one: a damaged one does not hide those above it from a loop check. */
async function walkChain(opener: ImageOpener, request: InfoRequest, infos: NodeInfo[]): Promise<void> {
  const settings = { cache: 'writeback', share: request.share, chain: false, content: false } as const;
  const seen = new Set<string>();
  let next: ImageName | null = request;
  while (next !== null) {
    const { name } = next;
    if (seen.has(name)) throw endlessChain(name);
    seen.add(name);
    const node: GraphNode = await (infos.length === 0 ? opener.open(next, settings) : opener.follow(next, settings));
    const identity = await opener.identityOf(node);
    if (seen.has(identity)) throw endlessChain(name);
    seen.add(identity);
    const info = describeNode(node);
    infos.push(info);
    next = request.backingChain && info.backing !== null ? backingOf(info.backing) : null;
  }
}

function backingOf({ name, fullName, format }: NonNullable<NodeInfo['backing']>): ImageName {
  if (fullName === null) {
    throw new ImageError(
      'invalid',
      `Could not determine absolute backing filename, but backing filename '${name}' present`,
    );
  }
  return { name: fullName, format, imageOptions: false };
}

function describeNode(node: GraphNode): NodeInfo {
  const children = childrenOf(node).map(({ role, node: child }) => ({ role, info: describeNode(child) }));
  const common = {
    fileName: nodeName(node),
    format: formatName(node),
    actualSize: spaceOf(node),
    children,
  };
  if (node.kind === 'storage') {
    const { hasFlags, specific, store } = node.storage;
    const filtered = node.filtered === undefined ? null : describeNode(node.filtered);
    return {
      ...common,
      virtualSize: roundUp(store.size, SECTOR),
      encrypted: false,
      clusterSize: filtered?.clusterSize ?? null,
      dirty: hasFlags ? (filtered?.dirty ?? false) : null,
      backing: null,
      snapshots: [],
      specific: specific ?? null,
    };
  }
  const { image } = node;
  const { encrypted = false, dirty = false, formatSpecific = null } = image.details();
  const viewed = viewedImage(node).image;
  const { clusterSize = null } = viewed.details();
  const { hasFlags } = storageOf(node);
  return {
    ...common,
    virtualSize: image.size,
    encrypted,
    clusterSize,
    dirty: clusterSize !== null || hasFlags ? dirty : null,
    backing: image.backing === null ? null : { ...image.backing, fullName: fullNameOf(node) },
    snapshots: viewed.snapshots,
    specific: formatSpecific,
  };
}

/** Of all its files; null: of one of them it is unknown. */
function spaceOf(node: GraphNode): number | null {
  let space: number | null = 0;
  for (const { allocated } of contentsOf(node)) space = space === null || allocated === null ? null : space + allocated;
  return space;
}

function fullNameOf(node: GraphNode & { kind: 'image' }): string | null {
  try {
    return fullBackingName(node);
  } catch {
    return null;
  }
}
