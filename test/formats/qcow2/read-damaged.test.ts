import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/errors.js';
import { readHeader } from '../../../src/formats/qcow2/header.js';
import { COMPRESSED_HIGH, COPIED_HIGH, EXTENSION } from '../../../src/formats/qcow2/layout.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { LateSource } from '../../support/file-source.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuImgError } from '../../support/qemu.js';
import { Random } from '../../support/random.js';
import { scratchDirectory } from '../../support/scratch.js';
import { AT, CLUSTER, DISK_SIZE, type Sample, sample, setEntry } from './sample.js';
import { extentsOf, openBytes, openSource, readAll } from './support.js';

interface Damage {
  /** What is wrong. */
  name: string;
  damage(image: Sample): void;
  /** The image is rebuilt with another header first. */
  header?: Parameters<typeof sample>[0];
  message: string;
  /** 'corrupt' unless it is a valid image of a kind that is not supported. */
  code?: 'unsupported';
  /** `qemu-img` says something else, or nothing: why. */
  ours?: string;
}

/** Where the first header extension begins. */
const EXTENSIONS = 112;

function writeExtension({ view }: Sample, magic: number, length: number): void {
  view.setUint32(EXTENSIONS, magic);
  view.setUint32(EXTENSIONS + 4, length);
}

const OPENING: Damage[] = [
  {
    name: 'the magic number is not that of qcow2',
    damage: ({ view }) => view.setUint32(0, 0x514649fa),
    message: 'Image is not in qcow2 format',
  },
  {
    name: 'version 1',
    damage: ({ view }) => view.setUint32(4, 1),
    message: 'Unsupported qcow2 version 1',
    code: 'unsupported',
  },
  {
    name: 'version 4',
    damage: ({ view }) => view.setUint32(4, 4),
    message: 'Unsupported qcow2 version 4',
    code: 'unsupported',
  },
  ...[8, 22, 63].map((bits) => ({
    name: `clusters of 2^${bits} bytes`,
    damage: ({ view }: Sample) => view.setUint32(20, bits),
    message: `Unsupported cluster size: 2^${bits}`,
  })),
  {
    name: 'a header of version 3 that ends within its fields',
    damage: ({ view }) => view.setUint32(100, 96),
    message: 'qcow2 header too short',
  },
  {
    name: 'a header longer than a cluster',
    damage: ({ view }) => view.setUint32(100, CLUSTER + 8),
    message: 'qcow2 header exceeds cluster size',
  },
  {
    name: 'a header of 4 GiB',
    damage: ({ view }) => view.setUint32(100, 0xffffffff),
    message: 'qcow2 header exceeds cluster size',
  },
  {
    name: 'a backing file name beyond the first cluster',
    damage: ({ view }) => view.setBigUint64(8, BigInt(CLUSTER + 1)),
    message: 'Invalid backing file offset',
  },
  {
    name: 'a backing file name that leaves the first cluster',
    damage({ view }) {
      view.setBigUint64(8, BigInt(CLUSTER - 10));
      view.setUint32(16, 11);
    },
    message: 'Backing file name too long',
  },
  {
    name: 'a backing file name of 1024 bytes',
    damage({ view }) {
      view.setBigUint64(8, 1024n);
      view.setUint32(16, 1024);
    },
    message: 'Backing file name too long',
  },
  {
    name: 'an unknown compression type',
    damage: ({ bytes }) => {
      bytes[104] = 2;
    },
    message: 'qcow2: unknown compression type: 2',
    code: 'unsupported',
  },
  {
    name: 'zstd without its feature bit',
    damage: ({ bytes }) => {
      bytes[104] = 1;
    },
    message: 'qcow2: Compression type incompatible feature bit must be set',
  },
  {
    name: "zstd's feature bit without zstd",
    damage: ({ view }) => view.setBigUint64(72, 8n),
    message: 'qcow2: Compression type incompatible feature bit must not be set',
  },
  {
    name: 'an unknown incompatible feature without a name',
    damage: ({ view }) => view.setBigUint64(72, 1n << 40n),
    message: 'Unsupported qcow2 feature(s): Unknown incompatible feature: 10000000000',
    code: 'unsupported',
  },
  {
    name: 'unknown incompatible features, one of them with a name',
    damage(image) {
      image.view.setBigUint64(72, 0x60n);
      writeExtension(image, EXTENSION.featureNames, 48);
      image.bytes.set([0, 6, ...new TextEncoder().encode('warp drive')], EXTENSIONS + 8);
    },
    message: 'Unsupported qcow2 feature(s): warp drive, Unknown incompatible feature: 20',
    code: 'unsupported',
  },
  {
    name: 'an unknown incompatible feature, and extensions that are broken themselves',
    damage(image) {
      image.view.setBigUint64(72, 0x20n);
      writeExtension(image, 0x12345678, 0xffffffff);
    },
    message: 'Unsupported qcow2 feature(s): Unknown incompatible feature: 20',
    code: 'unsupported',
  },
  {
    name: 'extended L2 entries with subclusters of 128 bytes',
    damage: ({ view }) => view.setBigUint64(72, 16n),
    message: 'Unsupported subcluster size: 128',
  },
  {
    name: 'refcounts of 128 bits',
    damage: ({ view }) => view.setUint32(96, 7),
    message: 'Reference count entry width too large; may not exceed 64 bits',
  },
  {
    name: 'no refcount table',
    damage: ({ view }) => view.setUint32(56, 0),
    message: 'Image does not contain a reference count table',
  },
  {
    name: 'a refcount table of more than 8 MiB',
    damage: ({ view }) => view.setUint32(56, 2049),
    message: 'Reference count table too large',
  },
  {
    name: 'a refcount table within a cluster',
    damage: ({ view }) => view.setBigUint64(48, BigInt(AT.refcountTable + 512)),
    message: 'Reference count table offset invalid',
  },
  {
    name: 'a refcount table at the end of the address space',
    damage: ({ view }) => view.setBigUint64(48, 0xffff_ffff_ffff_f000n),
    message: 'Reference count table offset invalid',
  },
  {
    name: '65537 snapshots',
    damage: ({ view }) => view.setUint32(60, 65537),
    message: 'Snapshot table too large',
  },
  {
    name: 'a snapshot table within a cluster',
    damage: ({ view }) => view.setBigUint64(64, BigInt(AT.snapshots + 8)),
    message: 'Snapshot table offset invalid',
  },
  {
    name: 'an L1 table of more than 32 MiB',
    damage: ({ view }) => view.setUint32(36, 4 * 1024 * 1024 + 1),
    message: 'Active L1 table too large',
  },
  {
    name: 'an L1 table of 32 GiB',
    damage: ({ view }) => view.setUint32(36, 0xffffffff),
    message: 'Active L1 table too large',
  },
  {
    name: 'an L1 table within a cluster',
    damage: ({ view }) => view.setBigUint64(40, BigInt(AT.l1 + 1)),
    message: 'Active L1 table offset invalid',
  },
  {
    name: 'an L1 table above 2^63',
    damage: ({ view }) => view.setBigUint64(40, 1n << 63n),
    message: 'Active L1 table offset invalid',
  },
  {
    name: 'an L1 table behind the end of the file',
    damage: ({ view }) => view.setBigUint64(40, BigInt(AT.end)),
    message: 'Active L1 table ends beyond the end of the file',
    ours: 'reads zeros there, so that a truncated image becomes an empty disk',
  },
  {
    name: 'an L1 table of 32 MiB in a file of 40 KiB',
    damage: ({ view }) => view.setUint32(36, 4 * 1024 * 1024),
    message: 'Active L1 table ends beyond the end of the file',
    ours: 'reads zeros there',
  },
  {
    name: 'a disk larger than the L1 table maps',
    damage: ({ view }) => view.setBigUint64(24, BigInt(2 * 1024 * 1024 + 1)),
    message: 'L1 table is too small',
  },
  {
    name: 'a disk of 2^60 bytes',
    damage: ({ view }) => view.setBigUint64(24, 1n << 60n),
    message: 'Image is too big',
  },
  {
    name: 'a disk of 2^63 bytes',
    damage: ({ view }) => view.setBigUint64(24, 1n << 63n),
    message: 'Image is too big',
  },
  {
    name: 'an extension longer than the cluster',
    damage: (image) => writeExtension(image, 0x12345678, CLUSTER),
    message: 'Header extension too large',
  },
  {
    name: 'an extension of 4 GiB',
    damage: (image) => writeExtension(image, 0x12345678, 0xffffffff),
    message: 'Header extension too large',
  },
  {
    name: 'an extension that begins 4 bytes before the backing file name',
    damage(image) {
      image.view.setBigUint64(8, BigInt(EXTENSIONS + 4));
      image.view.setUint32(16, 1);
    },
    message: 'Header extension too large',
  },
  {
    name: 'a backing format of 16 bytes',
    damage: (image) => writeExtension(image, EXTENSION.backingFormat, 16),
    message: 'ERROR: ext_backing_format: len=16 too large (>=16)',
  },
  {
    name: 'an encryption header without encryption',
    damage: (image) => writeExtension(image, EXTENSION.encryption, 16),
    message: 'CRYPTO header extension only expected with LUKS encryption method',
  },
  {
    name: 'LUKS with a pointer of the wrong length',
    damage(image) {
      image.view.setUint32(32, 2);
      writeExtension(image, EXTENSION.encryption, 8);
    },
    message: 'CRYPTO header extension size 8, but expected size 16',
  },
  {
    name: 'LUKS with a header within a cluster',
    damage(image) {
      image.view.setUint32(32, 2);
      writeExtension(image, EXTENSION.encryption, 16);
      image.view.setBigUint64(EXTENSIONS + 8, 4097n);
    },
    message: "Encryption header offset '4097' is not a multiple of cluster size '4096'",
  },
  {
    name: 'LUKS without a header',
    damage: ({ view }) => {
      view.setUint32(32, 2);
      view.setUint32(EXTENSIONS, EXTENSION.end);
    },
    message: 'Missing CRYPTO header for crypt method 2',
  },
  {
    name: 'a bitmaps extension of the wrong length',
    damage: ({ view }) => view.setUint32(EXTENSIONS + 4, 16),
    message: 'bitmaps_ext: Invalid extension length',
  },
  {
    name: 'a bitmaps extension with a reserved field in use',
    damage: ({ view }) => view.setUint32(EXTENSIONS + 12, 1),
    message: 'bitmaps_ext: Reserved field is not zero',
  },
  {
    name: '65536 bitmaps',
    damage: ({ view }) => view.setUint32(EXTENSIONS + 8, 65536),
    message: 'bitmaps_ext: Image has 65536 bitmaps, exceeding the QEMU supported maximum of 65535',
  },
  {
    name: 'a bitmaps extension without bitmaps',
    damage: ({ view }) => view.setUint32(EXTENSIONS + 8, 0),
    message: 'found bitmaps extension with zero bitmaps',
  },
  {
    name: 'a bitmap directory within a cluster',
    damage: ({ view }) => view.setBigUint64(EXTENSIONS + 24, BigInt(AT.bitmapDirectory + 8)),
    message: 'bitmaps_ext: invalid bitmap directory offset',
  },
  {
    name: 'a bitmap directory of 64 MiB',
    damage: ({ view }) => view.setBigUint64(EXTENSIONS + 16, 65536n * 1024n),
    message: 'bitmaps_ext: bitmap directory size (67108864) exceeds the maximum supported size (67107840)',
  },
  {
    name: 'a bitmap directory without a byte',
    damage: ({ view }) => view.setBigUint64(EXTENSIONS + 16, 0n),
    message: 'Requested bitmap directory size is zero',
  },
  {
    name: 'a bitmap directory behind the end of the file',
    damage: ({ view }) => view.setBigUint64(EXTENSIONS + 24, BigInt(1024 * AT.end)),
    message: 'Failed to read bitmap directory',
    ours: 'reads zeros there',
  },
  {
    name: 'a bitmap directory that ends within an entry',
    damage: ({ view }) => view.setBigUint64(EXTENSIONS + 16, 24n),
    message: 'Broken bitmap directory',
  },
  {
    name: 'more bitmaps than the extension says',
    damage: ({ view }) => view.setBigUint64(EXTENSIONS + 16, 64n),
    message: 'More bitmaps found than specified in header extension',
  },
  {
    name: 'fewer bitmaps than the extension says',
    damage: ({ view }) => view.setUint32(EXTENSIONS + 8, 2),
    message: 'Less bitmaps found than specified in header extension',
  },
  {
    name: 'a bitmap with extra data',
    damage: ({ view }) => view.setUint32(AT.bitmapDirectory + 20, 4),
    message: 'Bitmap extra data is not supported',
  },
  {
    name: 'a bitmap without a table',
    damage: ({ view }) => view.setBigUint64(AT.bitmapDirectory, 0n),
    message: "Bitmap 'bits' doesn't satisfy the constraints",
  },
  {
    name: 'a bitmap with granules of 2^40 bytes',
    damage: ({ bytes }) => {
      bytes[AT.bitmapDirectory + 17] = 40;
    },
    message: "Bitmap 'bits' doesn't satisfy the constraints",
  },
  {
    name: 'a bitmap of 16 TiB',
    damage: ({ view }) => view.setUint32(AT.bitmapDirectory + 8, 0xffffffff),
    message: "Bitmap 'bits' doesn't satisfy the constraints",
  },
  {
    name: 'a bitmap of an unknown type',
    damage: ({ bytes }) => {
      bytes[AT.bitmapDirectory + 16] = 2;
    },
    message: "Bitmap 'bits' doesn't satisfy the constraints",
  },
  {
    name: 'a snapshot with 1025 bytes of extra data',
    damage: ({ view }) => view.setUint32(AT.snapshots + 36, 1025),
    message:
      'Too much extra metadata in snapshot table entry 0\n' +
      'You can force-remove this extra metadata with qemu-img check -r all',
  },
  {
    name: 'raw external data without a data file',
    damage: ({ view }) => view.setBigUint64(88, 3n),
    message: 'data-file-raw requires a data file',
  },
];

/** Opens the image and reads all of it. */
async function use(bytes: Uint8Array): Promise<void> {
  const image = await openBytes(bytes);
  await readAll(image);
}

function damaged({ damage, header }: Damage): Uint8Array {
  const image = sample(header);
  damage(image);
  return image.bytes;
}

describe('an image with a damaged header, snapshot table or bitmap directory', () => {
  it.each(OPENING)('$name', async (row) => {
    await expect(use(damaged(row))).rejects.toMatchObject({
      code: row.code ?? 'corrupt',
      message: row.message,
    });
  });

  it('a file that ends within the header', async () => {
    for (const length of [0, 3, 20, 71]) {
      await expect(use(sample().bytes.slice(0, length))).rejects.toBeInstanceOf(ImageError);
    }
  });

  it('the sample itself is sound', async () => {
    const image = await openBytes(sample().bytes);
    const disk = await readAll(image);
    expect([disk[0], disk[CLUSTER], disk[2 * CLUSTER], disk[DISK_SIZE - 1]]).toEqual([0x11, 0x22, 0, 0]);
    expect(image.snapshots).toMatchObject([{ id: '1', name: 'snap', size: DISK_SIZE / 2, icount: 9n, vmClock: 7n }]);
    expect(image.bitmaps).toMatchObject([{ name: 'bits', granularity: 512, auto: true, inUse: false }]);
  });
});

describeWith(['qemu-img'], 'qemu-img finds the same fault in the same words', () => {
  const scratch = scratchDirectory();

  it.each(OPENING.filter(({ ours }) => ours === undefined))('$name', (row) => {
    const file = scratch('damaged.qcow2');
    writeFileSync(file, damaged(row));
    const said = qemuImgError('convert', '-f', 'qcow2', '-O', 'raw', file, scratch('out.raw'));
    expect(said).toBe(`Could not open '${file}': ${row.message.split('\n')[0]}`);
  });

  it('and none in the sample', () => {
    const file = scratch('sample.qcow2');
    writeFileSync(file, sample().bytes);
    expect(JSON.parse(qemuImg('info', '--output=json', '-f', 'qcow2', file))).toMatchObject({
      'virtual-size': DISK_SIZE,
      snapshots: [{ id: '1', name: 'snap' }],
    });
  });
});

/** Guest cluster 0 unless the row says another. */
const READING: (Damage & { guestCluster?: number })[] = [
  {
    name: 'an L1 entry with reserved bits',
    damage: ({ view }) => setEntry(view, AT.l1, COPIED_HIGH | 0x01000000, AT.l2),
    message: 'Reserved bits set in L1 entry 0',
  },
  {
    name: 'an L2 table within a cluster',
    damage: ({ view }) => setEntry(view, AT.l1, COPIED_HIGH, AT.l2 + 512),
    message: 'L2 table offset 0x4200 unaligned (L1 index: 0x0)',
  },
  {
    name: 'an L2 table behind the end of the file',
    damage: ({ view }) => setEntry(view, AT.l1, COPIED_HIGH, AT.end),
    message: 'L2 table offset 0xa000 beyond the end of the file (L1 index: 0x0)',
  },
  {
    name: 'an L2 table at 2^55',
    damage: ({ view }) => setEntry(view, AT.l1, 0x00800000, 0),
    message: 'L2 table offset 0x80000000000000 beyond the end of the file (L1 index: 0x0)',
  },
  {
    name: 'an L2 table that ends behind the end of the file',
    damage(image) {
      image.bytes = image.bytes.slice(0, AT.end - 512);
      setEntry(new DataView(image.bytes.buffer), AT.l1, COPIED_HIGH, AT.bitmapTable);
    },
    message: 'L2 table offset 0x9000 beyond the end of the file (L1 index: 0x0)',
  },
  {
    name: 'an L1 entry that points to the header: its magic number is an L2 entry with reserved bits',
    damage: ({ view }) => setEntry(view, AT.l1, COPIED_HIGH, 0),
    message: '',
  },
  {
    name: 'an L1 entry that points to the L1 table: its entry is a data cluster',
    damage: ({ view }) => setEntry(view, AT.l1, COPIED_HIGH, AT.l1),
    message: '',
  },
  {
    name: 'an L2 entry with reserved bits',
    damage: ({ view }) => setEntry(view, AT.l2, COPIED_HIGH | 0x01000000, AT.data),
    message: 'Reserved bits set in L2 entry (guest offset: 0x0)',
  },
  {
    name: 'a data cluster that begins within a cluster',
    damage: ({ view }) => setEntry(view, AT.l2, COPIED_HIGH, AT.data + 512),
    message: 'Cluster allocation offset 0x5200 unaligned (guest offset: 0x0)',
  },
  {
    name: 'a zero cluster in version 2',
    header: (header) => {
      header.version = 2;
      header.autoclearFeatures = 0n;
      header.extensions.bitmaps = null;
    },
    damage: ({ view }) => setEntry(view, AT.l2, 0, 1),
    message: 'Zero cluster entry found in pre-v3 image (guest offset: 0x0)',
  },
  {
    name: 'a compressed cluster behind the end of the file',
    damage: ({ view }) => setEntry(view, AT.l2, COMPRESSED_HIGH, AT.end),
    message: `Compressed cluster at offset ${AT.end} lies beyond the end of the file`,
  },
  {
    name: 'a compressed cluster at 2^57',
    damage: ({ view }) => setEntry(view, AT.l2, COMPRESSED_HIGH | 0x02000000, 0),
    message: 'Compressed cluster at offset',
  },
  {
    name: 'a compressed cluster whose stream is garbage',
    damage: ({ bytes }) => bytes.fill(0xff, AT.packed, AT.packed + 512),
    guestCluster: 1,
    message: 'Damaged compressed cluster: ',
  },
  {
    name: 'a compressed cluster whose stream ends early',
    damage: ({ bytes }) => bytes.set([0x03, 0x00], AT.packed),
    guestCluster: 1,
    message: 'Damaged compressed cluster: ',
  },
  {
    name: 'a compressed cluster whose stream is all zeros',
    damage: ({ bytes }) => bytes.fill(0, AT.packed, AT.packed + 512),
    guestCluster: 1,
    message: 'Damaged compressed cluster: ',
  },
];

describe('an image with a damaged table or cluster', () => {
  it.each(READING.filter(({ message }) => message !== ''))('$name', async (row) => {
    const image = await openBytes(damaged(row));
    const offset = (row.guestCluster ?? 0) * CLUSTER;
    const whole = async () => image.read(offset, new Uint8Array(CLUSTER));
    const part = async () => image.read(offset + 512, new Uint8Array(512));
    for (const read of [whole, part, part]) {
      await expect(read()).rejects.toMatchObject({
        code: 'corrupt',
        message: expect.stringContaining(row.message),
      });
    }
  });

  it.each(READING.filter(({ message }) => message === ''))('$name: answers or refuses, and ends', async (row) => {
    const image = await openBytes(damaged(row));
    const outcome = await readAll(image, CLUSTER).then(
      (disk) => disk.length,
      (error) => error,
    );
    if (outcome !== DISK_SIZE) expect(outcome).toMatchObject({ code: 'corrupt' });
  });

  it('reports what comes before a damaged entry, and fails where it is', async () => {
    const { bytes, view } = sample();
    setEntry(view, AT.l2 + 16 * 8, COPIED_HIGH, AT.data + 512);
    const image = await openBytes(bytes);
    const late = await openSource(new LateSource(new MemoryStore('image', bytes)));
    for (const extents of [await image.extents(0, DISK_SIZE), await late.extents(0, DISK_SIZE)])
      expect(extents.at(-1)).toMatchObject({ kind: 'unallocated', start: 3 * CLUSTER, length: 13 * CLUSTER });
    expect(() => image.extents(16 * CLUSTER, CLUSTER)).toThrow('unaligned');
    await image.read(15 * CLUSTER, new Uint8Array(CLUSTER));
  });

  it('subclusters that are data and zero at once, or data without a cluster', async () => {
    for (const [high, low, zero, allocated] of [
      [COPIED_HIGH, 1 << 16, 1, 1],
      [0, 0, 0, 1],
      [COPIED_HIGH, (1 << 16) | 1, 0, 0],
    ] as const) {
      const { bytes, view } = extendedSample();
      setEntry(view, 4 << 16, high, low);
      setEntry(view, (4 << 16) + 8, zero, allocated);
      const image = await openBytes(bytes);
      expect(() => image.read(0, new Uint8Array(512))).toThrow(/Invalid cluster entry found|Reserved bits set/);
    }
  });

  /** The sample's structures in clusters of 64 KiB with extended L2 entries. */
  function extendedSample(): Sample {
    const { bytes: small, view } = sample((header) => {
      header.snapshotCount = 0;
      header.autoclearFeatures = 0n;
      header.extensions.bitmaps = null;
    });
    view.setUint32(20, 16);
    view.setBigUint64(72, 16n);
    view.setBigUint64(40, 3n << 16n);
    view.setBigUint64(48, 1n << 16n);
    view.setBigUint64(64, 0n);
    const bytes = new Uint8Array(6 << 16);
    bytes.set(small.subarray(0, CLUSTER));
    const large = new DataView(bytes.buffer);
    setEntry(large, 3 << 16, COPIED_HIGH, 4 << 16);
    return { bytes, view: large };
  }

  it('data beyond the end of the file reads as zeros, as it does for qemu-img', async () => {
    const { bytes, view } = sample();
    setEntry(view, AT.l2, COPIED_HIGH, 100 * CLUSTER);
    setEntry(view, AT.l2 + 24, COPIED_HIGH, AT.bitmapTable);
    setEntry(view, AT.l2 + 32, 0x00800000, 0);
    bytes.fill(0x33, AT.bitmapTable + 8);
    const image = await openBytes(bytes.slice(0, AT.end - 1000));
    const disk = await readAll(image);
    expect(disk.subarray(0, CLUSTER).every((byte) => byte === 0)).toBe(true);
    expect(disk[4 * CLUSTER - 1001]).toBe(0x33);
    expect(disk.subarray(4 * CLUSTER - 1000, 5 * CLUSTER).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ['too large', (view: DataView) => view.setUint32(AT.snapshots + 8, 0xffffffff), 'Snapshot L1 table too large'],
    ['unaligned', (view: DataView) => view.setBigUint64(AT.snapshots, 5n), 'Snapshot L1 table offset invalid'],
    [
      'behind the end of the file',
      (view: DataView) => view.setBigUint64(AT.snapshots, BigInt(AT.end)),
      'Snapshot L1 table ends beyond the end of the file',
    ],
  ])('a snapshot whose L1 table is %s', async (_, damage, message) => {
    const { bytes, view } = sample();
    damage(view);
    const image = await openBytes(bytes);
    await expect(image.snapshot('snap')).rejects.toMatchObject({ code: 'corrupt', message });
  });

  it('random damage: an answer or an ImageError, nothing else', async () => {
    const random = new Random(20);
    for (let round = 0; round < 400; round++) {
      const { bytes } = sample();
      for (let times = 1 + random.below(8); times > 0; times--) {
        const area = [0, 0, AT.l1, AT.l2, AT.snapshots, AT.bitmapDirectory, AT.packed][random.below(7)]!;
        bytes[area + random.below(area === 0 ? 160 : 64)] = random.next() & 0xff;
      }
      try {
        const image = await openBytes(bytes);
        if (image.size > 64 * DISK_SIZE) continue;
        await extentsOf(image);
        await readAll(image);
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
      }
    }
  });
});

describe('what is tolerated', () => {
  it('dirty and corrupt bits', async () => {
    const { bytes, view } = sample();
    view.setBigUint64(72, 3n);
    const image = await openBytes(bytes);
    expect(image.details().dirty).toBe(true);
    expect(image.details().formatSpecific?.data.corrupt).toBe(true);
    expect((await readAll(image))[0]).toBe(0x11);
  });

  it('unknown compatible and autoclear bits, unknown extensions, a longer header', async () => {
    const { bytes } = sample((header) => {
      header.compatibleFeatures = 0xff00n;
      header.autoclearFeatures |= 0xff00n;
      header.unknownFields = new Uint8Array(16).fill(0x77);
      header.extensions.unknown.push({ magic: 0x1badcafe, data: new Uint8Array([1, 2, 3]) });
    });
    const header = await readHeader(new MemoryStore('image', bytes));
    expect(header.unknownFields).toEqual(new Uint8Array(16).fill(0x77));
    expect(header.extensions.unknown).toEqual([{ magic: 0x1badcafe, data: new Uint8Array([1, 2, 3]) }]);
    await use(bytes);
  });

  it('a header of 104 bytes, as QEMU wrote it before 5.1', async () => {
    const { bytes, view } = sample((header) => {
      header.extensions.bitmaps = null;
      header.autoclearFeatures = 0n;
    });
    view.setUint32(100, 104);
    await use(bytes);
  });

  it('bitmaps that another program made out of date are left out', async () => {
    const { bytes, view } = sample();
    view.setBigUint64(88, 0n);
    expect((await openBytes(bytes)).bitmaps).toEqual([]);
  });
});
