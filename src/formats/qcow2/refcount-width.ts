/**
 * Refcounts of 1 to 64 bits in a refcount block.
 *
 * Specification: QEMU, docs/interop/qcow2, "Host cluster management". Entries narrower than a byte are packed from
 * the least significant bit on; wider ones are big-endian.
 */

/** Reads and writes the refcounts of one width. `index` counts entries from the start of the view. */
export interface RefcountWidth {
  /** Entries per byte; below 1 for widths above 8 bits. */
  readonly perByte: number;
  /** The largest count that fits; also capped to what a number holds exactly. */
  readonly max: number;
  get(view: DataView, index: number): number;
  set(view: DataView, index: number, count: number): void;
}

const TWO_32 = 0x1_0000_0000;

function packed(bits: 1 | 2 | 4): RefcountWidth {
  const perByte = 8 / bits;
  const max = 2 ** bits - 1;
  return {
    perByte,
    max,
    get: (view, index) => (view.getUint8(Math.floor(index / perByte)) >> (bits * (index % perByte))) & max,
    set(view, index, count) {
      const at = Math.floor(index / perByte);
      const shift = bits * (index % perByte);
      view.setUint8(at, (view.getUint8(at) & ~(max << shift)) | (count << shift));
    },
  };
}

const WIDTHS: readonly RefcountWidth[] = [
  packed(1),
  packed(2),
  packed(4),
  {
    perByte: 1,
    max: 2 ** 8 - 1,
    get: (view, index) => view.getUint8(index),
    set: (view, index, count) => view.setUint8(index, count),
  },
  {
    perByte: 1 / 2,
    max: 2 ** 16 - 1,
    get: (view, index) => view.getUint16(2 * index),
    set: (view, index, count) => view.setUint16(2 * index, count),
  },
  {
    perByte: 1 / 4,
    max: 2 ** 32 - 1,
    get: (view, index) => view.getUint32(4 * index),
    set: (view, index, count) => view.setUint32(4 * index, count),
  },
  {
    perByte: 1 / 8,
    max: Number.MAX_SAFE_INTEGER,
    get: (view, index) => view.getUint32(8 * index) * TWO_32 + view.getUint32(8 * index + 4),
    set(view, index, count) {
      view.setUint32(8 * index, Math.floor(count / TWO_32));
      view.setUint32(8 * index + 4, count >>> 0);
    },
  },
];

/** Refcounts of 2^order bits; `order` is the header's field, 0 to 6. */
export function refcountWidth(order: number): RefcountWidth {
  return WIDTHS[order]!;
}
