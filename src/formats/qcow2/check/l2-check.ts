/** One L2 table: are its entries sound, and what do they refer to? */
import { compressedLengthOf, compressedOffsetOf, hostOffsetOf, isCopied, reservedL2Bits, ZERO_LOW } from '../layout.js';
import { hex64, hexOffset, ioError } from './checked-file.js';
import { kindOf, type L2Entry, l2EntryAt } from './l2-entry.js';
import { allowsWrite } from './overlap.js';
import type { References } from './references.js';

/** Flag of an entry's high half, without which a compressed cluster's descriptor is printed. */
const WITHOUT_COPIED = 0x7fffffff;

export class L2Check {
  /** Where the next cluster would be if the disk were not fragmented; 0: unknown. */
  #nextOffset = 0;

  /**
   * @param view the table
   * @param offset where it is in the file
   * @param isActive it belongs to the disk itself and not to a snapshot
   */
  constructor(
    private readonly references: References,
    private readonly view: DataView,
    private readonly offset: number,
    private readonly isActive: boolean,
  ) {}

  /** Looks at the first `count` entries. Throws where a repair has shown that the table overlaps other metadata. */
  async run(count: number): Promise<void> {
    const { file } = this.references;
    for (let index = 0; index < count; index++) {
      const entry = l2EntryAt(this.view, index, file);
      if (entry.high === 0 && entry.low === 0 && entry.allocatedBits === 0) continue;
      const kind = kindOf(entry, file);
      if (kind === 'compressed') {
        this.#compressed(entry, index);
        continue;
      }
      if (reservedL2Bits(entry.high, entry.low))
        this.#corruption(`ERROR found l2 entry with reserved bits set: ${hex64(entry.high, entry.low)}`);
      if (kind === 'data' || kind === 'zero, allocated') {
        const pending = this.#standard(entry, index);
        if (pending !== undefined) await pending;
      } else if (kind === 'unallocated' && entry.allocatedBits !== 0)
        this.#corruption('ERROR: Unallocated cluster has non-zero subcluster allocation map');
    }
  }

  #compressed(entry: L2Entry, index: number): void {
    const { file, usage } = this.references;
    const { low } = entry;
    const { clusterBits } = file.header;
    const offset = compressedOffsetOf(entry.high, low, clusterBits);
    // above 2^53 only the entry itself tells the last digits
    const shown = hex64(compressedOffsetOf(entry.high, 0, clusterBits) / 2 ** 32, low);
    if (isCopied(entry.high)) {
      const what = 'copied flag must never be set for compressed clusters';
      this.#corruption(`ERROR: coffset=0x${shown}: ${what}`);
    }
    const value = `entry=0x${hex64(entry.high & WITHOUT_COPIED, low)}`;
    if (file.hasDataFile) {
      this.#corruption(`ERROR compressed cluster ${index} with data file, ${value}`);
      return;
    }
    if (entry.zeroBits !== 0 || entry.allocatedBits !== 0) {
      const what = 'with non-zero subcluster allocation bitmap';
      this.#corruption(`ERROR compressed cluster ${index} ${what}, ${value}`);
      return;
    }
    this.references.count(offset, compressedLengthOf(entry.high, low, clusterBits), shown);
    if (!this.isActive) return;
    usage.allocated++;
    usage.compressed++;
    usage.fragmented++;
  }

  /** An allocated cluster, data or not. Returns a promise only if there is something to repair. */
  #standard(entry: L2Entry, index: number): Promise<void> | undefined {
    const { file } = this.references;
    const offset = hostOffsetOf(entry.high, entry.low);
    if ((entry.zeroBits & entry.allocatedBits) !== 0) {
      const what = 'Allocated cluster has corrupted subcluster allocation bitmap';
      this.#corruption(`ERROR offset=${hexOffset(offset)}: ${what}`);
    }
    if (offset % file.clusterSize === 0) this.#countCluster(offset);
    else return this.#unaligned(entry, index, offset);
    return undefined;
  }

  async #unaligned(entry: L2Entry, index: number, offset: number): Promise<void> {
    const { file, tally, repairs } = this.references;
    const containsData = file.isExtended ? entry.allocatedBits !== 0 : (entry.low & ZERO_LOW) === 0;
    const where = `offset=${hexOffset(offset)}`;
    tally.corruptions++;
    if (containsData) file.say(`ERROR ${where}: Data cluster is not properly aligned; L2 entry corrupted.`);
    else {
      const verb = repairs ? 'Repairing' : 'ERROR';
      file.say(`${verb} ${where}: Preallocated cluster is not properly aligned; L2 entry corrupted.`);
      if (repairs) {
        await this.#makeZero(entry, index);
        return;
      }
    }
    this.#countCluster(offset);
  }

  /** Replaces an entry that maps zeros by one that does so without a cluster. Throws if that would hit other metadata. */
  async #makeZero({ allocatedBits, zeroBits }: L2Entry, index: number): Promise<void> {
    const { file, tally } = this.references;
    const at = index * file.l2EntrySize;
    this.view.setUint32(at, 0);
    this.view.setUint32(at + 4, file.isExtended ? 0 : ZERO_LOW);
    if (file.isExtended) {
      this.view.setUint32(at + 8, (zeroBits | allocatedBits) >>> 0);
      this.view.setUint32(at + 12, 0);
    }
    const ignored = this.isActive ? 'active L2 table' : 'inactive L2 table';
    if (!(await allowsWrite(file, ignored, this.offset + at, file.l2EntrySize))) {
      file.say('ERROR: Overlap check failed');
      tally.checkErrors++;
      throw ioError();
    }
    const { buffer, byteOffset } = this.view;
    await file.store.write(this.offset + at, new Uint8Array(buffer, byteOffset + at, file.l2EntrySize));
    await file.flush();
    tally.corruptions--;
    tally.corruptionsFixed++;
  }

  #countCluster(offset: number): void {
    const { file, usage } = this.references;
    if (this.isActive) {
      usage.allocated++;
      if (this.#nextOffset !== 0 && offset !== this.#nextOffset) usage.fragmented++;
      this.#nextOffset = offset + file.clusterSize;
    }
    if (!file.hasDataFile) this.references.count(offset, file.clusterSize);
  }

  #corruption(line: string): void {
    this.references.corruption(line);
  }
}
