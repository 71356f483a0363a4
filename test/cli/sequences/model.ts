/**
 * Images as they ought to be, in memory: what each of a chain holds itself, its snapshots, its dirty bitmaps.
 *
 * A layer is a map of units (clusters, or subclusters where they are the unit of allocation). What it shows is its own
 * units, and where it has none the disk beneath; zeros where there is nothing.
 */

/** Unit by index; never changed in place, so that snapshots may share it. */
type Units = Map<number, Uint8Array>;

export interface ModelSnapshot {
  name: string;
  size: number;
  units: Units;
  /** Which units it has is known; otherwise what it shows is not known any more once the disk beneath changes. */
  isCertain: boolean;
  isLost: boolean;
}

export interface ModelBitmap {
  name: string;
  granularity: number;
  isEnabled: boolean;
  /** Indexes of granules that are marked. */
  marks: Set<number>;
}

export class ModelLayer {
  units: Units = new Map();
  snapshots: ModelSnapshot[] = [];
  bitmaps: ModelBitmap[] = [];
  /** Which units it has is known, not only what it shows. */
  isCertain = true;

  constructor(
    readonly file: string,
    readonly format: string,
    /** Bytes that are allocated at a time. */
    readonly unit: number,
    public size: number,
    public backing: ModelLayer | null,
  ) {}

  /** The disk. */
  content(): Uint8Array {
    return show(this.units, this.size, this.unit, this.backing);
  }

  contentOf(snapshot: ModelSnapshot): Uint8Array {
    return show(snapshot.units, snapshot.size, this.unit, this.backing);
  }

  /** Writes by a guest: bitmaps see them. */
  write(offset: number, bytes: Uint8Array): void {
    this.put(offset, bytes);
    for (const { isEnabled, granularity, marks } of this.bitmaps) {
      if (!isEnabled) continue;
      for (let at = Math.floor(offset / granularity); at * granularity < offset + bytes.length; at++) marks.add(at);
    }
  }

  /** Stores bytes; the rest of a unit that was not there comes from beneath. */
  put(offset: number, bytes: Uint8Array): void {
    const disk = this.content();
    disk.set(bytes, offset);
    const end = offset + bytes.length;
    for (let index = Math.floor(offset / this.unit); index * this.unit < end; index++) this.#keep(index, disk);
  }

  #keep(index: number, disk: Uint8Array): void {
    const unit = new Uint8Array(this.unit);
    unit.set(disk.subarray(index * this.unit, (index + 1) * this.unit));
    this.units.set(index, unit);
  }

  resize(size: number): void {
    const before = this.size;
    if (size < before) this.#cut(size);
    this.size = size;
    if (size > before && this.backing !== null && this.backing.size > before) {
      this.put(before, new Uint8Array(size - before));
      this.isCertain = false;
    }
  }

  #cut(size: number): void {
    const kept: Units = new Map();
    for (const [index, unit] of this.units) {
      const left = size - index * this.unit;
      if (left <= 0) continue;
      const copy = unit.slice();
      if (left < this.unit) copy.fill(0, left);
      kept.set(index, copy);
    }
    this.units = kept;
  }

  /** Its disk stays what it is, above another one. */
  rebase(backing: ModelLayer | null): void {
    const disk = this.content();
    this.backing = backing;
    this.beneathChanged();
    this.units = new Map();
    const shown = this.content();
    for (let index = 0; index * this.unit < this.size; index++) {
      const range = [index * this.unit, (index + 1) * this.unit] as const;
      if (!isSame(shown.subarray(...range), disk.subarray(...range))) this.#keep(index, disk);
    }
    this.isCertain = false;
  }

  /** What is beneath holds something else now. */
  beneathChanged(): void {
    for (const snapshot of this.snapshots) if (!snapshot.isCertain) snapshot.isLost = true;
  }

  /** Puts what it holds, and what is between, into `target`, an image of its chain. */
  commitInto(target: ModelLayer): void {
    const disk = this.content();
    const chain: ModelLayer[] = [];
    for (let layer: ModelLayer = this; layer !== target; layer = layer.backing!) chain.push(layer);
    const above = chain.map(({ units, unit }) => ({ units: [...units.keys()], unit }));
    if (target.size < this.size) target.resize(this.size);
    for (const { units, unit } of above)
      for (const index of units) {
        const piece = disk.subarray(index * unit, (index + 1) * unit);
        if (piece.length > 0) target.put(index * unit, piece);
      }
    if (chain.some(({ isCertain }) => !isCertain)) target.isCertain = false;
    // Where a layer between ends, it shows zeros, whatever the target has there.
    if (!isSame(target.content().subarray(0, disk.length), disk)) target.put(0, disk);
  }

  empty(): void {
    this.units = new Map();
    this.isCertain = true;
  }

  takeSnapshot(name: string): void {
    const { size, isCertain } = this;
    this.snapshots.push({ name, size, units: new Map(this.units), isCertain, isLost: false });
  }

  applySnapshot({ units, size, isCertain }: ModelSnapshot): void {
    this.units = new Map(units);
    this.size = size;
    this.isCertain = isCertain;
  }

  mergeBitmaps(into: ModelBitmap, from: ModelBitmap): void {
    for (const mark of [...from.marks]) {
      const [start, end] = [mark * from.granularity, Math.min(this.size, (mark + 1) * from.granularity)];
      for (let at = Math.floor(start / into.granularity); at * into.granularity < end; at++) into.marks.add(at);
    }
  }
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function show(units: Units, size: number, unit: number, backing: ModelLayer | null): Uint8Array {
  const disk = new Uint8Array(size);
  if (backing !== null) disk.set(backing.content().subarray(0, size));
  for (const [index, bytes] of units) {
    const start = index * unit;
    if (start < size) disk.set(bytes.subarray(0, Math.min(unit, size - start)), start);
  }
  return disk;
}
