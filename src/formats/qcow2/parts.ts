/** What all of a qcow2 image's writing parts share, put together in one place. */
import { isPowerOfTwo } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import type { PreparedRun } from '../../image/image.js';
import { TableCache } from '../../image/table-cache.js';
import type { Kernels, UnitEncoding } from '../../kernels/kernels.js';
import type { ByteSink, ByteStore } from '../../storage/storage.js';
import { ClusterTables } from './cluster-tables.js';
import { type ClusterCipher, clearStore, encryptedRun } from './encryption.js';
import { clusterSizeOf, codecOf, hasExtendedL2, type QcowHeader } from './header.js';
import { HostSpace } from './host-space.js';
import { LIMITS } from './layout.js';
import { DEFAULT_LEVEL } from './options.js';
import { Placer, sliceCoverage } from './placing.js';
import { Refcounts } from './refcounts.js';

/** Bytes of refcount blocks in memory; each byte of them describes many clusters. */
const REFCOUNT_MEMORY = 4 * 1024 * 1024;

export interface WritingParts {
  readonly header: QcowHeader;
  /** Holds the metadata, and the data unless there is an external data file. */
  readonly store: ByteStore;
  /** Holds the data. */
  readonly data: ByteStore;
  /** Of `store` and of `data`; the same object if they are one. */
  readonly space: HostSpace;
  readonly dataSpace: HostSpace;
  /** L1 and L2 tables; refcount blocks. */
  readonly tables: TableCache;
  readonly blocks: TableCache;
  readonly refcounts: Refcounts;
  readonly clusterTables: ClusterTables;
  readonly placer: Placer;
  readonly kernels: Kernels;
  /** Encrypts the data; null: it stays plain. */
  readonly cipher: ClusterCipher | null;
}

export interface PartsRequest {
  header: QcowHeader;
  store: ByteStore;
  data: ByteStore;
  kernels: Kernels;
  /** Host offsets of the refcount blocks, as long as the table in the file. */
  refcountTable: Float64Array;
  /** Absent: the data stay plain. */
  cipher?: ClusterCipher | null;
  /** Tables change in the file only when they are flushed: the image is in use. */
  inPlace: boolean;
  /** Absent: as QEMU has it. */
  tuning?: TableTuning;
}

/** Puts together what fills or changes an image: caches, allocator, placer. */
export function writingParts(request: PartsRequest): WritingParts {
  const { header, store, data, kernels, refcountTable, inPlace, tuning = {}, cipher = null } = request;
  const clusterSize = clusterSizeOf(header);
  const space = spaceOf(store, inPlace, cipher);
  const dataSpace = data === store ? space : spaceOf(data, inPlace, cipher);
  const tables = new TableCache(store, store, tuning.pageSize ?? clusterSize, tuning.memory, inPlace);
  const blocks = new TableCache(store, store, clusterSize, REFCOUNT_MEMORY, inPlace);
  const refcounts = new Refcounts(store, header, blocks, space, refcountTable);
  const clusterTables = new ClusterTables(header, tables, refcounts, space);
  const slice = sliceCoverage(header.size, clusterSize, hasExtendedL2(header));
  const placer = new Placer(clusterTables, refcounts, dataSpace, slice);
  return { header, store, data, space, dataSpace, tables, blocks, refcounts, clusterTables, placer, kernels, cipher };
}

/** A run as it is to be placed: encrypted already, where that depends on its place in the guest's disk. */
export function runToPlace({ header, cipher }: WritingParts, run: PreparedRun): PreparedRun {
  if (cipher === null || cipher.byHost) return run;
  const zerosToo = header.version < 3 && header.backingFile !== null;
  return encryptedRun(run, cipher.sectors, clusterSizeOf(header), zerosToo);
}

/** What placed data are written through: encrypts where that depends on the place in the file. */
export function dataSink({ data, cipher }: WritingParts): ByteSink {
  return cipher?.byHost ? clearStore(data, cipher, 0, 0).store : data;
}

/** How L1 and L2 tables are held in memory, where the user chose it; bytes. */
export interface TableTuning {
  memory?: number;
  /** Read and written at once. */
  pageSize?: number;
}

/** What the runtime options say of it. Throws `invalid`. */
export function tableTuning({ runtimeOptions = {} }: DriverContext, clusterSize: number): TableTuning {
  const { 'l2-cache-size': memory, 'l2-cache-entry-size': entry } = runtimeOptions;
  const pageSize = Number(entry ?? clusterSize);
  const smallest = 2 ** LIMITS.minClusterBits;
  if (!isPowerOfTwo(pageSize) || pageSize < smallest || pageSize > clusterSize)
    throw new ImageError(
      'invalid',
      `L2 cache entry size must be a power of two between ${smallest} and the cluster size (${clusterSize})`,
    );
  return { pageSize, ...(memory === undefined ? {} : { memory: Number(memory) }) };
}

/** A file that grows reads as zeros where it grew; of a device, and behind a cipher, nothing is known. */
function spaceOf(store: ByteStore, inPlace: boolean, cipher: ClusterCipher | null): HostSpace {
  if (cipher !== null) return new HostSpace(inPlace ? store.size : 0, Number.POSITIVE_INFINITY);
  if (inPlace) return new HostSpace(store.size, store.size);
  return new HostSpace(0, store.readsZero ? 0 : Number.POSITIVE_INFINITY);
}

/** How units are compressed: raw deflate with QEMU's window, or zstd; a stream is shorter than a cluster. */
export function encodingOf(header: QcowHeader, level: number | null): UnitEncoding {
  const unit = clusterSizeOf(header);
  return {
    codec: codecOf(header),
    unit,
    level: level ?? DEFAULT_LEVEL[header.compression],
    takesStreams: level === null,
    window: DEFLATE_WINDOW,
    limit: unit - 1,
  };
}

/** QEMU inflates with a window of 12 bits. */
const DEFLATE_WINDOW = 4096;

/** Runs are cut on multiples of this, bytes: clusters, and with the smallest ones what an L2 table maps. */
export function unitOf(header: QcowHeader): number {
  const clusterSize = clusterSizeOf(header);
  const coverage = (clusterSize / 8) * clusterSize;
  return hasExtendedL2(header) || coverage > LARGEST_SMALL_UNIT ? clusterSize : coverage;
}

/** Bytes. With larger units a run would no longer fit the processor's cache. */
const LARGEST_SMALL_UNIT = 512 * 1024;
