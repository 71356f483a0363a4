/** A file that was picked or is read from a server, as the commands want their storage: with a writing half, which a browser does not give. */
import type * as Comlink from 'comlink';
import type { Loan } from '../../loan.js';
import type { MaybePromise } from '../../maybe.js';
import { ReadOnlyStore } from '../../storage/read-only.js';
import type { ByteSource } from '../../storage/storage.js';
import { BlobSource } from './blob-source.js';
import { storageError } from './dom-errors.js';
import { Gate } from './gate.js';
import type { HelperHost } from './helpers.js';
import type { Meter } from './meter.js';
import type { Content } from './protocol.js';
import { Remote, remoteSource } from './remote-source.js';

/** What the files of one task have in common. */
export interface Traffic {
  readonly meter: Meter;
  /** Reads wait while it is closed. */
  readonly gate: Gate;
  /** Names of the files that were opened, or would have been, had they been there. */
  readonly opened: Set<string>;
  /** The worker that reads from web servers; started when it is first asked for. */
  remote(): Remote;
}

/** Traffic that nobody counts or holds yet; `signal` ends reads that wait for a server. */
export function freeTraffic(host: Comlink.Remote<HelperHost>, signal: AbortSignal): Traffic {
  let remote: Remote | undefined;
  return {
    meter: { read: 0, written: 0 },
    gate: new Gate(),
    opened: new Set(),
    remote: () => {
      remote ??= new Remote(host, signal);
      return remote;
    },
  };
}

export class PickedFile extends ReadOnlyStore {
  private constructor(
    name: string,
    source: ByteSource,
    private readonly traffic: Traffic,
  ) {
    super(name, source);
  }

  /** Throws `not-found` if a file of this machine is no longer there. */
  static async open(content: Content, name: string, traffic: Traffic): Promise<PickedFile> {
    const isRemote = 'url' in content;
    const source = isRemote ? remoteSource(content, name, traffic.remote()) : await openBlob(content, name);
    return new PickedFile(name, source, traffic);
  }

  override read(offset: number, into: Uint8Array): MaybePromise<void> {
    const { meter, gate } = this.traffic;
    if (gate.closed !== null) return gate.closed.then(() => this.read(offset, into));
    meter.read += into.length;
    return super.read(offset, into);
  }

  override lend(offset: number, length: number): Promise<Loan> | null {
    const { meter, gate } = this.traffic;
    const loan = gate.closed === null ? super.lend(offset, length) : null;
    if (loan !== null) meter.read += length;
    return loan;
  }
}

async function openBlob(blob: Blob, name: string): Promise<BlobSource> {
  try {
    // A file that was removed before anybody asked for its size is empty, for all that the browser tells of it.
    if (blob.size === 0) await blob.arrayBuffer();
  } catch (thrown) {
    throw storageError(thrown, name);
  }
  return new BlobSource(blob, name);
}
