/** Where the fields of a sound qcow2 image are: the places that a mutation may aim at. */
import type { FieldTable } from '../../src/bytes.js';
import { viewOf } from '../../src/bytes.js';
import {
  BITMAP_ENTRY,
  BITMAPS_EXTENSION,
  compressedOffsetOf,
  ENTRY_SIZE,
  EXTENDED_L2_ENTRY_SIZE,
  EXTENSION,
  EXTENSION_HEAD,
  FEATURE_NAME,
  HEADER_V2,
  HEADER_V3,
  hostOffsetOf,
  INCOMPATIBLE,
  isCompressed,
  SNAPSHOT,
  SNAPSHOT_EXTRA,
  V2_HEADER_LENGTH,
} from '../../src/formats/qcow2/layout.js';

/** The part of the image that a field belongs to; each is aimed at equally often. */
export type Organ = 'header' | 'extension' | 'l1' | 'l2' | 'refcount' | 'snapshot' | 'bitmap' | 'stream';

/** A field: where it is and how wide, in bytes. */
export interface Site {
  organ: Organ;
  at: number;
  width: number;
}

export interface Anatomy {
  clusterSize: number;
  sites: ReadonlyMap<Organ, readonly Site[]>;
  /** Offsets of structures, for fields to be pointed at. */
  landmarks: readonly number[];
}

/** Of each table so many entries are sites: those in use first. */
const ENTRIES = 48;

class Explorer {
  readonly sites = new Map<Organ, Site[]>();
  readonly landmarks: number[] = [0];
  readonly #view: DataView;
  readonly #header: ReturnType<typeof HEADER_V2.read>;
  readonly #clusterSize: number;

  constructor(private readonly image: Uint8Array) {
    this.#view = viewOf(image);
    this.#header = HEADER_V2.read(image);
    this.#clusterSize = 2 ** this.#header.clusterBits;
  }

  explore(): Anatomy {
    const header = this.#header;
    this.#fields('header', HEADER_V2, 0);
    const isV3 = header.version === 3;
    if (isV3) this.#fields('header', HEADER_V3, 0);
    this.#extensions(isV3 ? this.#view.getUint32(100) : V2_HEADER_LENGTH);
    this.#l1(Number(header.l1TableOffset), header.l1Size);
    this.#refcounts();
    this.#snapshots();
    return { clusterSize: this.#clusterSize, sites: this.sites, landmarks: [...new Set(this.landmarks)] };
  }

  #add(organ: Organ, at: number, width: number): void {
    const sites = this.sites.get(organ) ?? [];
    this.sites.set(organ, sites);
    if (at + width <= this.image.length) sites.push({ organ, at, width });
  }

  #fields(organ: Organ, { fields }: Pick<FieldTable<never>, 'fields'> | { fields: object }, base: number): void {
    const widths: { [type: string]: number } = { u8: 1, u16: 2, u32: 4, bits64: 8, u64: 8 };
    for (const [offset, type] of Object.values(fields) as [number, string | { bytes: number }][])
      this.#add(organ, base + offset, typeof type === 'string' ? widths[type]! : type.bytes);
  }

  #extensions(start: number): void {
    for (let at = start; at + EXTENSION_HEAD.size <= this.#clusterSize; ) {
      const { magic, length } = EXTENSION_HEAD.read(this.image, at);
      this.#fields('extension', EXTENSION_HEAD, at);
      at += EXTENSION_HEAD.size;
      if (magic === EXTENSION.end) break;
      if (magic === EXTENSION.bitmaps) this.#bitmaps(at);
      else if (magic === EXTENSION.featureNames) this.#fields('extension', FEATURE_NAME, at);
      else this.#add('extension', at, length);
      at += length + ((8 - (length % 8)) % 8);
    }
  }

  #bitmaps(at: number): void {
    this.#fields('bitmap', BITMAPS_EXTENSION, at);
    const { count, directoryOffset } = BITMAPS_EXTENSION.read(this.image, at);
    let entry = Number(directoryOffset);
    this.landmarks.push(entry);
    for (let index = 0; index < Math.min(count, ENTRIES); index++) {
      this.#fields('bitmap', BITMAP_ENTRY, entry);
      const { tableOffset, tableSize, nameLength, extraDataSize } = BITMAP_ENTRY.read(this.image, entry);
      this.landmarks.push(Number(tableOffset));
      for (let row = 0; row < Math.min(tableSize, ENTRIES); row++)
        this.#add('bitmap', Number(tableOffset) + row * ENTRY_SIZE, ENTRY_SIZE);
      const length = BITMAP_ENTRY.size + extraDataSize + nameLength;
      entry += length + ((8 - (length % 8)) % 8);
    }
  }

  #l1(table: number, entries: number): void {
    this.landmarks.push(table);
    for (let index = 0; index < Math.min(entries, ENTRIES); index++) {
      const at = table + index * ENTRY_SIZE;
      this.#add('l1', at, ENTRY_SIZE);
      const offset = hostOffsetOf(this.#view.getUint32(at), this.#view.getUint32(at + 4));
      if (offset > 0) this.#l2(offset);
    }
  }

  #l2(table: number): void {
    if (this.landmarks.includes(table)) return;
    this.landmarks.push(table);
    const { incompatibleFeatures } =
      this.#header.version === 3 ? HEADER_V3.read(this.image) : { incompatibleFeatures: 0n };
    const isExtended = (incompatibleFeatures & INCOMPATIBLE.extendedL2) !== 0n;
    const entrySize = isExtended ? EXTENDED_L2_ENTRY_SIZE : ENTRY_SIZE;
    const isLate = (index: number) => index > 8;
    let used = 0;
    for (let index = 0; index * entrySize < this.#clusterSize && used < ENTRIES; index++) {
      const at = table + index * entrySize;
      const high = this.#view.getUint32(at);
      const low = this.#view.getUint32(at + 4);
      if (high === 0 && low === 0 && isLate(index)) continue;
      used++;
      this.#add('l2', at, ENTRY_SIZE);
      if (isExtended) this.#add('l2', at + ENTRY_SIZE, ENTRY_SIZE);
      if (isCompressed(high)) this.#stream(compressedOffsetOf(high, low, this.#header.clusterBits));
      else if (hostOffsetOf(high, low) > 0) this.landmarks.push(hostOffsetOf(high, low));
    }
  }

  #stream(offset: number): void {
    for (const distance of [0, 1, 2, 3, 4, 5, 8, 13, 21, 34, 55, 89, 144, 233])
      this.#add('stream', offset + distance, 1);
  }

  #refcounts(): void {
    const table = Number(this.#header.refcountTableOffset);
    this.landmarks.push(table);
    for (let index = 0; index < 4; index++) {
      const at = table + index * ENTRY_SIZE;
      this.#add('refcount', at, ENTRY_SIZE);
      const block = hostOffsetOf(this.#view.getUint32(at), this.#view.getUint32(at + 4));
      if (block === 0) continue;
      this.landmarks.push(block);
      for (let word = 0; word < 8; word++) this.#add('refcount', block + word * 2, 2);
    }
  }

  #snapshots(): void {
    let at = Number(this.#header.snapshotsOffset);
    if (this.#header.snapshotCount > 0) this.landmarks.push(at);
    for (let index = 0; index < Math.min(this.#header.snapshotCount, 4); index++) {
      this.#fields('snapshot', SNAPSHOT, at);
      this.#fields('snapshot', SNAPSHOT_EXTRA, at + SNAPSHOT.size);
      const { l1TableOffset, l1Size, extraDataSize, idLength, nameLength } = SNAPSHOT.read(this.image, at);
      this.#l1(Number(l1TableOffset), l1Size);
      const length = SNAPSHOT.size + extraDataSize + idLength + nameLength;
      at += length + ((8 - (length % 8)) % 8);
    }
  }
}

/** Explores a sound image. */
export function anatomyOf(image: Uint8Array): Anatomy {
  return new Explorer(image).explore();
}
