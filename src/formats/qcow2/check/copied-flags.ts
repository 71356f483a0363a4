/**
 * The flag of L1 and L2 entries that says: the refcount of this cluster is exactly one.
 *
 * Specification: QEMU, docs/interop/qcow2, "L1 table" and "L2 table", bit 63.
 */
import { viewOf } from '../../../bytes.js';
import type { CheckTally } from '../../../image/check.js';
import { isPending, type MaybePromise } from '../../../maybe.js';
import { COPIED_HIGH, ENTRY_SIZE, hostOffsetOf, isCopied } from '../layout.js';
import { type CheckedFile, hex64, ioError, type L1Entry } from './checked-file.js';
import { kindOf, l2EntryAt } from './l2-entry.js';
import { allowsWrite } from './overlap.js';

/** Checks the flags of the active tables against the refcounts of the image. Throws where a repair hits metadata. */
export async function checkCopiedFlags(file: CheckedFile, tally: CheckTally): Promise<void> {
  const { l1TableOffset, l1Size } = file.header;
  const checker = new CopiedFlags(file, tally);
  for await (const entry of file.l1Entries(l1TableOffset, l1Size)) if (entry.l2Offset !== 0) await checker.check(entry);
}

class CopiedFlags {
  readonly #repairs: boolean;
  readonly #table: Uint8Array;
  readonly #view: DataView;

  constructor(
    private readonly file: CheckedFile,
    private readonly tally: CheckTally,
  ) {
    const isSound = tally.checkErrors === 0 && tally.corruptions === 0 && tally.leaks === 0;
    // The flags follow the refcounts, so those must be right. A complete repair has just seen to that.
    this.#repairs = file.repair === 'all' || (file.repair === 'leaks' && isSound);
    this.#table = new Uint8Array(file.clusterSize);
    this.#view = viewOf(this.#table);
  }

  /** An L1 entry and the L2 table that it refers to. */
  async check(entry: L1Entry): Promise<void> {
    const { file } = this;
    const refcount = await file.refcounts.get(Math.floor(entry.l2Offset / file.clusterSize));
    if (refcount === null) return;
    if ((refcount === 1) !== isCopied(entry.high)) await this.#wrongL1(entry, refcount);
    const used = await file.readL2(entry.l2Offset, this.#table);
    let changes = 0;
    for (let index = 0; index < used; index++) {
      const changed = this.#checkL2(index);
      if (isPending(changed) ? await changed : changed) changes++;
    }
    if (changes > 0) await this.#writeTable(entry.l2Offset, changes);
  }

  async #wrongL1({ index, high, low }: L1Entry, refcount: number): Promise<void> {
    const { file, tally } = this;
    tally.corruptions++;
    const what = `l1_index=${index} l1_entry=${hex64(high, low)} refcount=${BigInt(refcount)}`;
    file.say(`${this.#verb} OFLAG_COPIED L2 cluster: ${what}`);
    if (!this.#repairs) return;
    const offset = file.header.l1TableOffset + index * ENTRY_SIZE;
    if (!(await allowsWrite(file, 'active L1 table', offset, ENTRY_SIZE))) {
      tally.checkErrors++;
      throw ioError();
    }
    const bytes = new Uint8Array(ENTRY_SIZE);
    viewOf(bytes).setUint32(0, withFlag(high, refcount === 1));
    viewOf(bytes).setUint32(4, low);
    await file.store.write(offset, bytes);
    tally.corruptions--;
    tally.corruptionsFixed++;
  }

  /** Whether an entry was changed in memory. */
  #checkL2(index: number): MaybePromise<boolean> {
    const entry = l2EntryAt(this.#view, index, this.file);
    if (entry.high === 0 && entry.low === 0) return false;
    const kind = kindOf(entry, this.file);
    return kind === 'data' || kind === 'zero, allocated' ? this.#checkData(index, entry.high, entry.low) : false;
  }

  #checkData(index: number, high: number, low: number): MaybePromise<boolean> {
    const { file } = this;
    const cluster = Math.floor(hostOffsetOf(high, low) / file.clusterSize);
    const refcount = file.hasDataFile ? 1 : file.refcounts.get(cluster);
    const compare = (known: number | null) => this.#compare(index, high, low, known);
    return isPending(refcount) ? refcount.then(compare) : compare(refcount);
  }

  #compare(index: number, high: number, low: number, refcount: number | null): boolean {
    const { file, tally } = this;
    if (refcount === null || (refcount === 1) === isCopied(high)) return false;
    tally.corruptions++;
    const what = `l2_entry=${hex64(high, low)} refcount=${BigInt(refcount)}`;
    file.say(`${this.#verb} OFLAG_COPIED data cluster: ${what}`);
    if (!this.#repairs) return false;
    this.#view.setUint32(index * file.l2EntrySize, withFlag(high, refcount === 1));
    return true;
  }

  async #writeTable(offset: number, changes: number): Promise<void> {
    const { file, tally } = this;
    if (!(await allowsWrite(file, 'active L2 table', offset, file.clusterSize))) {
      file.say('ERROR: Could not write L2 table; metadata overlap check failed: Input/output error');
      tally.checkErrors++;
      throw ioError();
    }
    await file.store.write(offset, this.#table);
    tally.corruptions -= changes;
    tally.corruptionsFixed += changes;
  }

  get #verb(): string {
    return this.#repairs ? 'Repairing' : 'ERROR';
  }
}

function withFlag(high: number, isSet: boolean): number {
  return isSet ? (high | COPIED_HIGH) >>> 0 : (high & ~COPIED_HIGH) >>> 0;
}
