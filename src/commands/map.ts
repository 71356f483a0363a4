/** `map`: which ranges of the disk hold data, and where. */
import type { Extent, Image } from '../image/image.js';
import { isPending, type MaybePromise } from '../maybe.js';
import { chainOf, contentOf, type GraphNode } from './graph.js';
import { ImageOpener } from './open.js';
import type { OpenStorage, Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';

export interface MapRequest extends ImageName, Trust {
  share: boolean;
  /** First byte to tell of. */
  startOffset: number;
  /** Bytes from there on; null: all. */
  maxLength: number | null;
}

/** A range of the disk, in bytes. */
export interface MapEntry {
  start: number;
  length: number;
  /** 0: the image itself; 1: its backing file; and so on. */
  depth: number;
  /** Some image of the chain has it, if only to say that it is zero. */
  present: boolean;
  zero: boolean;
  data: boolean;
  compressed: boolean;
  /** Where the bytes are in `fileName`; null: nowhere, or not as they are. */
  offset: number | null;
  fileName: string | null;
}

/** Told while the work goes on: an image may have millions of entries. */
export interface MapEvents {
  /** The image is open; entries follow. */
  onOpen(): void;
  /** In ascending order; one at least, if only of length 0. The next one waits for it; false: no more, please. */
  onEntry(entry: MapEntry): MaybePromise<boolean>;
}

/** Throws what opening or reading metadata throws. */
export async function mapImage(platform: Platform, request: MapRequest, events: MapEvents): Promise<void> {
  await ImageOpener.use(platform, request, async (opener) => {
    const settings = { cache: 'writeback', share: request.share, chain: true, content: true } as const;
    const node = await opener.open(request, settings);
    events.onOpen();
    await walk(opener, node, request, events);
  });
}

async function walk(
  opener: ImageOpener,
  node: GraphNode,
  { startOffset, maxLength }: MapRequest,
  { onEntry }: MapEvents,
): Promise<void> {
  const shown = shownBy(node);
  const disk = await (shown === node ? opener.disk(node) : filteredDisk(opener, node, shown));
  const contents = chainOf(shown).map((layer) => contentOf(layer)!);
  const end = maxLength === null ? disk.size : Math.min(disk.size, startOffset + maxLength);
  let current = nothingAt(startOffset);
  for (let at = startOffset; at < end; ) {
    for (const extent of await disk.extents(at, end - at)) {
      const entry = entryOf(extent, contents);
      at = extent.start + extent.length;
      if (continues(current, entry)) current.length += entry.length;
      else {
        if (current.length > 0) {
          const wantsMore = onEntry(current);
          if (!(isPending(wantsMore) ? await wantsMore : wantsMore)) return;
        }
        current = entry;
      }
    }
  }
  await onEntry(current);
}

/** A filter has nothing of its own: its map is that of the image that it shows, if it shows one. */
function shownBy(node: GraphNode): GraphNode {
  if (node.kind === 'image' || node.filtered === undefined) return node;
  const shown = shownBy(node.filtered);
  return shown.kind === 'image' ? shown : node;
}

/** The disk of `shown`, for whose status the filter above it is asked first: it may refuse. */
async function filteredDisk(
  opener: ImageOpener,
  filter: GraphNode,
  shown: GraphNode,
): Promise<Pick<Image, 'size' | 'extents'>> {
  const [outer, inner] = [await opener.disk(filter), await opener.disk(shown)];
  return {
    size: outer.size,
    async extents(offset, length) {
      await outer.extents(offset, length);
      return inner.extents(offset, length);
    },
  };
}

function nothingAt(start: number): MapEntry {
  const status = { present: false, zero: false, data: false, compressed: false };
  return { start, length: 0, depth: 0, ...status, offset: null, fileName: null };
}

function entryOf(extent: Extent, contents: OpenStorage[]): MapEntry {
  const { start, length, kind, depth, compressed, hostOffset, file, isHole = false, isAbsent = false } = extent;
  return {
    start,
    length,
    depth,
    present: kind !== 'unallocated' && !isAbsent,
    zero: kind !== 'data',
    data: (kind === 'data' && !isAbsent) || isHole,
    compressed,
    offset: hostOffset,
    fileName: hostOffset === null ? null : (file ?? contents[depth]?.fileName ?? null),
  };
}

function continues(last: MapEntry, next: MapEntry): boolean {
  return (
    last.length > 0 &&
    last.zero === next.zero &&
    last.data === next.data &&
    last.compressed === next.compressed &&
    last.depth === next.depth &&
    last.present === next.present &&
    last.fileName === next.fileName &&
    (last.offset === null ? next.offset === null : last.offset + last.length === next.offset)
  );
}
