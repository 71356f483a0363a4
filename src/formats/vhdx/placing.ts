/**
 * Placing runs in blocks: a block that is not there gets a place when it gets data, and zeros need none.
 *
 * The table changes in memory when a run is placed; it reaches the file after the data (see `writer.ts`, `editor.ts`).
 */

import { corrupt } from '../../errors.js';
import type { PreparedRun } from '../../image/image.js';
import type { Piece } from '../../kernels/kernels.js';
import { allSettled, isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteStore } from '../../storage/storage.js';
import type { Bat } from './bat.js';
import type { BlockSpace } from './block-space.js';
import { BLOCK_STATE, MIB } from './layout.js';
import type { Metadata } from './metadata.js';

/** What all that writes blocks shares. */
export interface WritingParts {
  readonly store: ByteStore;
  readonly metadata: Metadata;
  readonly bat: Bat;
  readonly space: BlockSpace;
}

/** One write: bytes, or zeros, at a place in the file. */
type HostWrite = { offset: number } & ({ bytes: Uint8Array } | { length: number });

/** Gives each piece of the run its place. Returns what is to be written there. */
export async function placeRun(parts: WritingParts, run: PreparedRun): Promise<HostWrite[]> {
  const { blockSize } = parts.metadata;
  const writes: HostWrite[] = [];
  for (const piece of run.pieces) {
    const end = piece.offset + piece.length;
    for (let at = piece.offset; at < end; ) {
      const stop = Math.min(end, at - (at % blockSize) + blockSize);
      await placePart(parts, piece, at, stop, writes);
      at = stop;
    }
  }
  return writes;
}

/** `start` to `end` of a piece, which lie in one block. */
async function placePart(
  parts: WritingParts,
  piece: Piece,
  start: number,
  end: number,
  writes: HostWrite[],
): Promise<void> {
  const { bat, metadata, space } = parts;
  const { blockSize } = metadata;
  const index = bat.indexOf(Math.floor(start / blockSize));
  const loaded = bat.load(index);
  if (isPending(loaded)) await loaded;
  let { state, offset } = bat.entry(index);
  if (state !== BLOCK_STATE.fullyPresent) {
    if (piece.kind === 'zero') return;
    offset = await space.take(blockSize);
    state = BLOCK_STATE.fullyPresent;
    await bat.load(index);
    bat.setEntry(index, { state, offset });
  }
  if (offset < MIB || offset % MIB !== 0 || offset >= Math.max(space.end, parts.store.size))
    throw corrupt(`The VHDX block at ${start} lies outside of the file`, { offset: start });
  const host = offset + (start % blockSize);
  if (piece.kind === 'zero') writes.push({ offset: host, length: end - start });
  else writes.push({ offset: host, bytes: piece.bytes.subarray(start - piece.offset, end - piece.offset) });
}

/** Moves the bytes. */
export function performWrites(sink: ByteSink, writes: readonly HostWrite[]): MaybePromise<void> {
  return allSettled(
    joined(writes).map((write) =>
      'bytes' in write ? sink.write(write.offset, write.bytes) : sink.zero(write.offset, write.length),
    ),
  );
}

/** Neighbours in the file that are neighbours in memory too, as one. */
function joined(writes: readonly HostWrite[]): HostWrite[] {
  const result: HostWrite[] = [];
  for (const write of writes) {
    const last = result.at(-1);
    if (last !== undefined && 'bytes' in last && 'bytes' in write && follows(last, write)) {
      const { buffer, byteOffset, length } = last.bytes;
      last.bytes = new Uint8Array(buffer, byteOffset, length + write.bytes.length);
    } else result.push({ ...write });
  }
  return result;
}

function follows(last: { offset: number; bytes: Uint8Array }, next: { offset: number; bytes: Uint8Array }): boolean {
  return (
    last.offset + last.bytes.length === next.offset &&
    last.bytes.buffer === next.bytes.buffer &&
    last.bytes.byteOffset + last.bytes.length === next.bytes.byteOffset
  );
}
