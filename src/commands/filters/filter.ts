/**
 * Filters: storage made of other nodes.
 *
 * A filter takes the options of its own from those of its node and opens its children, each a graph of its own; what it
 * makes of them is a storage, and formats see no more than that. A child may be an image: then its disk, with all of
 * its backing files, is what the filter works on.
 */
import type { ByteStore } from '../../storage/storage.js';
import type { BlockdevOptions, Scalar } from '../blockdev.js';
import type { GraphNode, StorageNode } from '../graph.js';

/** A child that has been opened. */
export interface OpenedChild {
  node: GraphNode;
  /** Its content as storage; writing throws unless it was opened to be written to. */
  store: ByteStore;
}

/** What a filter may ask for while it is opened. */
export interface FilterContext {
  /** The filter is going to be written to. */
  readonly writable: boolean;
  /**
   * Opens the child whose options begin with `name.`. Throws `A block device must be specified for "name"`.
   *
   * @param probed its format is to be found out, unless it is given; without that it is storage
   */
  openChild(options: BlockdevOptions, name: string, probed?: boolean): Promise<OpenedChild>;
  /** The text of a small file that the options name, under the policy for such files. */
  readText(path: string): Promise<string>;
}

export interface FilterDriver {
  /** The name that `driver=` takes, and `info` shows. */
  readonly name: string;
  /** File names of the filter begin with its name and a colon; what the rest says, as options. Absent: there are none. */
  parseName?(rest: string): Iterable<readonly [string, Scalar]>;
  open(options: BlockdevOptions, context: FilterContext): Promise<StorageNode>;
}
