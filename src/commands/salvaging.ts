/**
 * --salvage: what cannot be read is told, and the copy goes on.
 *
 * Sectors are told of in the order of the disk, though status is asked for far ahead of the reading and runs are read
 * several at a time: a loss waits until the copy has passed it.
 */
import { ImageError } from '../errors.js';
import type { Image } from '../image/image.js';
import { SalvagedImage } from '../image/salvaged.js';

interface Loss {
  what: 'block status at offset' | 'offset';
  offset: number;
  reason: string;
}

export class SalvageReport {
  #waiting: Loss[] = [];
  #isSurvey = false;

  constructor(private readonly warn: (message: string) => void) {}

  /** The disk, going on where its status cannot be read. */
  watch(disk: Image): Image {
    return new SalvagedImage(disk, (offset, error) => {
      this.#add({ what: 'block status at offset', offset, reason: error.message });
    });
  }

  /** Goes through the status of a disk once, so that its damage is known before anything is copied. */
  async survey(disk: Image): Promise<void> {
    this.#isSurvey = true;
    for (let at = 0; at < disk.size; ) {
      const last = (await disk.extents(at, disk.size - at)).at(-1)!;
      at = last.start + last.length;
    }
    this.#isSurvey = false;
  }

  /** A sector that could not be read. */
  lost(offset: number, error: unknown): void {
    const reason = error instanceof ImageError ? error.message : String(error);
    this.#add({ what: 'offset', offset, reason });
  }

  /** The copy has passed `end`. */
  passed(end: number): void {
    const due = this.#waiting.filter(({ offset }) => offset < end);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ offset }) => offset >= end);
    // Of one sector, its status first; sorting keeps what is equal in order.
    due.sort((a, b) => a.offset - b.offset || b.what.length - a.what.length);
    for (const loss of due) this.#tell(loss);
  }

  #add(loss: Loss): void {
    if (this.#isSurvey) this.#tell(loss);
    else this.#waiting.push(loss);
  }

  #tell({ what, offset, reason }: Loss): void {
    this.warn(`error while reading ${what} ${offset}: ${reason}`);
  }
}
