/** A file that was picked, as the commands want their storage: with a writing half, which a browser does not give. */
import type { MaybePromise } from '../../maybe.js';
import { ReadOnlyStore } from '../../storage/read-only.js';
import { BlobSource } from './blob-source.js';
import { storageError } from './dom-errors.js';
import { Gate } from './gate.js';
import type { Meter } from './meter.js';

/** What the files of one task have in common. */
export interface Traffic {
  readonly meter: Meter;
  /** Reads wait while it is closed. */
  readonly gate: Gate;
  /** Names of the files that were opened, or would have been, had they been there. */
  readonly opened: Set<string>;
}

/** Traffic that nobody counts or holds. */
export function freeTraffic(): Traffic {
  return { meter: { read: 0, written: 0 }, gate: new Gate(), opened: new Set() };
}

export class PickedFile extends ReadOnlyStore {
  private constructor(
    blob: Blob,
    name: string,
    private readonly traffic: Traffic,
  ) {
    super(name, new BlobSource(blob, name));
  }

  /** Throws `not-found` if the file is no longer there. */
  static async open(blob: Blob, name: string, traffic: Traffic): Promise<PickedFile> {
    try {
      // A file that was removed before anybody asked for its size is empty, for all that the browser tells of it.
      if (blob.size === 0) await blob.arrayBuffer();
    } catch (thrown) {
      throw storageError(thrown, name);
    }
    return new PickedFile(blob, name, traffic);
  }

  override read(offset: number, into: Uint8Array): MaybePromise<void> {
    const { meter, gate } = this.traffic;
    if (gate.closed !== null) return gate.closed.then(() => this.read(offset, into));
    meter.read += into.length;
    return super.read(offset, into);
  }
}
