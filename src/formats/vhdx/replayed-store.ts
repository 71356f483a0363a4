/** A file as it will be when its log has been replayed, without changing it. */
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSource, ByteStore, StorageExtent } from '../../storage/storage.js';

/** Bytes to be written, or zeros; whole sectors of the log. */
export interface Change {
  offset: number;
  length: number;
  /** null: zeros. */
  bytes: Uint8Array | null;
}

/** Reads a file through the changes of its log. */
export class ReplayedSource implements ByteSource {
  readonly size: number;

  /** `changes`: in the order in which they are to be made. */
  constructor(
    private readonly source: ByteSource,
    private readonly changes: readonly Change[],
    fileSize: number,
  ) {
    this.size = Math.max(source.size, fileSize);
  }

  get name(): string {
    return this.source.name;
  }

  get transfer(): number {
    return this.source.transfer;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    const stored = Math.max(0, Math.min(into.length, this.source.size - offset));
    into.fill(0, stored);
    const pending = stored > 0 ? this.source.read(offset, into.subarray(0, stored)) : undefined;
    return isPending(pending) ? pending.then(() => this.#apply(offset, into)) : this.#apply(offset, into);
  }

  /** Changes are of metadata; blocks may have holes as before, but for those that a change touches. */
  extents(offset: number, length: number): MaybePromise<StorageExtent[]> {
    const next = this.changes.find((change) => touches(change, offset, length));
    const all = [{ start: offset, length, hole: false }];
    if (next !== undefined || offset + length > this.source.size) return all;
    return this.source.extents?.(offset, length) ?? all;
  }

  allocated(): number {
    return this.source.allocated?.() ?? this.source.size;
  }

  close(): Promise<void> {
    return this.source.close();
  }

  #apply(offset: number, into: Uint8Array): void {
    for (const change of this.changes) {
      if (!touches(change, offset, into.length)) continue;
      const from = Math.max(offset, change.offset);
      const to = Math.min(offset + into.length, change.offset + change.length);
      if (change.bytes === null) into.fill(0, from - offset, to - offset);
      else into.set(change.bytes.subarray(from - change.offset, to - change.offset), from - offset);
    }
  }
}

function touches({ offset, length }: Change, start: number, count: number): boolean {
  return offset < start + count && start < offset + length;
}

/** Makes the changes in the file itself. */
export async function replayInto(store: ByteStore, changes: readonly Change[], fileSize: number): Promise<void> {
  if (store.size < fileSize) await store.truncate(fileSize);
  for (const { offset, length, bytes } of changes) {
    const end = Math.min(offset + length, Math.max(store.size, fileSize));
    if (bytes !== null) await store.write(offset, bytes);
    else if (end > offset) await store.zero(offset, end - offset);
  }
  await store.flush();
}
