/** Structured and extended reply chunks ("Structured reply chunk message", "Structured reply types"). */
import type { ImageError } from '../../../errors.js';
import type { Parser } from '../inbox.js';
import { printable, protocolError, RequestError } from './errors.js';
import type { ExportInfo } from './handshake.js';
import {
  ALLOCATION_DEPTH,
  CHUNK,
  CHUNK_LENGTH,
  ChunkFlag,
  ChunkType,
  type Command,
  ERROR,
  EXTENDED_CHUNK_LENGTH,
  MAX_ERROR_PAYLOAD,
  MAX_STATUS_EXTENTS,
  OFFSET_DATA,
  OFFSET_HOLE,
  STATE_HOLE,
  STATE_ZERO,
  STATUS_CONTEXT,
  STATUS_CONTEXT_EXT,
  STATUS_EXTENT,
  STATUS_EXTENT_EXT,
} from './protocol.js';

/** A run of the export with one status. */
export interface BlockExtent {
  /** In bytes, at least 1. */
  length: number;
  /** It reads as zeroes. */
  zero: boolean;
  /** Space is taken for it. */
  stored: boolean;
}

/** As many extents of one reply are kept; a server may send sixteen times as many. */
const MAX_KEPT_EXTENTS = 2 ** 16;

/** A request that waits for (the rest of) its reply. */
export interface PendingReply {
  readonly command: Command;
  readonly offset: number;
  readonly length: number;
  /** Where a read's data goes: `length` bytes. */
  readonly into?: Uint8Array;
  /** What a block status request has learned, empty at first. */
  readonly extents?: BlockExtent[];
  /** Bytes of a read that have come. */
  arrived: number;
  /** The first error that the server reported. */
  error: ImageError | null;
}

/** Receives one chunk, whose header starts with `start`. True if it is the last of its reply. */
export function* receiveChunk(pending: PendingReply, start: Uint8Array, info: ExportInfo): Parser<boolean> {
  const { flags, type } = CHUNK.read(start);
  const rest = info.headers === 'extended' ? EXTENDED_CHUNK_LENGTH : CHUNK_LENGTH;
  const { length } = rest.read(yield rest.size);
  const done = (flags & ChunkFlag.DONE) !== 0;
  if (type & ChunkType.ERROR_BIT) pending.error ??= yield* receiveError(length);
  else if (type === ChunkType.NONE) {
    if (!done || length !== 0) throw protocolError('a chunk without content that is not the end of its reply');
  } else if (type === ChunkType.OFFSET_DATA) yield* receiveData(pending, length);
  else if (type === ChunkType.OFFSET_HOLE) yield* receiveHole(pending, length);
  else if (type === (info.headers === 'extended' ? ChunkType.BLOCK_STATUS_EXT : ChunkType.BLOCK_STATUS))
    yield* receiveStatus(pending, length, info);
  else throw protocolError(`a chunk of unknown type ${type}`);
  return done;
}

function* receiveError(length: number): Parser<RequestError> {
  if (length < ERROR.size || length > MAX_ERROR_PAYLOAD) throw protocolError('an error chunk of wrong length');
  const payload = yield length;
  const { error, messageLength } = ERROR.read(payload);
  if (error === 0 || messageLength > length - ERROR.size) throw protocolError('an error chunk that contradicts itself');
  return new RequestError(error, printable(payload.subarray(ERROR.size, ERROR.size + messageLength)));
}

/** The part of the caller's buffer that a content chunk is for. */
function contentTarget(pending: PendingReply, offset: number, length: number): Uint8Array {
  const { into } = pending;
  if (into === undefined) throw protocolError('content where none was requested');
  const at = offset - pending.offset;
  if (at < 0 || length === 0 || at + length > pending.length)
    throw protocolError('content outside the requested range');
  pending.arrived += length;
  return into.subarray(at, at + length);
}

function* receiveData(pending: PendingReply, length: number): Parser<void> {
  if (length <= OFFSET_DATA.size) throw protocolError('a data chunk of wrong length');
  const { offset } = OFFSET_DATA.read(yield OFFSET_DATA.size);
  yield contentTarget(pending, offset, length - OFFSET_DATA.size);
}

function* receiveHole(pending: PendingReply, length: number): Parser<void> {
  if (length !== OFFSET_HOLE.size) throw protocolError('a hole chunk of wrong length');
  const hole = OFFSET_HOLE.read(yield OFFSET_HOLE.size);
  contentTarget(pending, hole.offset, hole.length).fill(0);
}

function* receiveStatus(pending: PendingReply, length: number, info: ExportInfo): Parser<void> {
  const { extents } = pending;
  if (extents === undefined || extents.length > 0) throw protocolError('block status where none was requested');
  const wide = info.headers === 'extended';
  const [head, entry] = wide ? [STATUS_CONTEXT_EXT, STATUS_EXTENT_EXT] : [STATUS_CONTEXT, STATUS_EXTENT];
  const count = (length - head.size) / entry.size;
  if (!Number.isInteger(count) || count < 1 || count > MAX_STATUS_EXTENTS)
    throw protocolError('a block status chunk of wrong length');
  const header = wide ? STATUS_CONTEXT_EXT.read(yield head.size) : STATUS_CONTEXT.read(yield head.size);
  if (header.context !== info.allocationContext) throw protocolError('block status of an unknown context');
  if ('count' in header && header.count !== count) throw protocolError('a wrong number of block status extents');
  for (let i = 0; i < count; i++) {
    const extent = entry.read(yield entry.size);
    if (extent.length === 0) throw protocolError('a block status extent of length zero');
    append(extents, extent.length, statusOf(extent.flags, info.contextName));
  }
}

/** Adds an extent. Neighbours of one status are one; those beyond the limit are forgotten: the answer is a prefix. */
function append(extents: BlockExtent[], length: number, { zero, stored }: Omit<BlockExtent, 'length'>): void {
  if (extents.length >= MAX_KEPT_EXTENTS) return;
  const last = extents.at(-1);
  if (last !== undefined && last.zero === zero && last.stored === stored) last.length += length;
  else extents.push({ length, zero, stored });
}

/** What the flags of base:allocation say; those of any other context are taken for the same, as QEMU takes them. */
function statusOf(flags: number, context: string): Omit<BlockExtent, 'length'> {
  // Of depths, all below the first backing file count as one.
  const state = context === ALLOCATION_DEPTH ? Math.min(flags, 2) : flags;
  return { zero: (state & STATE_ZERO) !== 0, stored: (state & STATE_HOLE) === 0 };
}
