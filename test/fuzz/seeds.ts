/** Sound images, which mutants are made from: small ones of every kind, by `qemu-img` and by our own writer. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convert } from '../../src/commands/convert.js';
import type { Kernels } from '../../src/kernels/kernels.js';
import { descriptorText, NOTHING, TOP } from '../formats/parallels/bundle-builder.js';
import { sample } from '../formats/qcow2/sample.js';
import { buildVdi } from '../formats/vdi/build.js';
import { Random } from '../support/random.js';
import { type Anatomy, anatomyOf } from './anatomy.js';
import { PagedFile } from './paged-store.js';
import { convertRequest } from './requests.js';
import { IMAGES, TARGETS, World } from './world.js';

export interface Seed {
  name: string;
  /** The image that the user names; the others lie beside it. */
  main: string;
  files: ReadonlyMap<string, PagedFile>;
  /** Of the files that are qcow2. */
  anatomies: ReadonlyMap<string, Anatomy>;
}

const DISK = 1_300_992;

/** Data, holes, zeros, and what compresses well. */
function disk(): Uint8Array {
  const bytes = new Uint8Array(DISK);
  const random = new Random(7);
  bytes.set(random.bytes(70_000), 4096);
  for (let at = 200_000; at < 300_000; at++) bytes[at] = 97 + ((at >> 5) % 13);
  bytes.set(random.bytes(5000), 700_000);
  bytes.fill(0x42, 1_000_000, 1_060_000);
  bytes.set(random.bytes(512), DISK - 512);
  return bytes;
}

export function seedOf(name: string, main: string, files: Map<string, Uint8Array>): Seed {
  const anatomies = new Map<string, Anatomy>();
  const paged = new Map<string, PagedFile>();
  for (const [file, bytes] of files) {
    paged.set(file, PagedFile.of(bytes));
    if (bytes.length > 104 && bytes[0] === 0x51 && bytes[3] === 0xfb) anatomies.set(file, anatomyOf(bytes));
  }
  return { name, main, files: paged, anatomies };
}

function contentOf(file: PagedFile): Uint8Array {
  const bytes = new Uint8Array(file.size);
  file.read(0, bytes);
  return bytes;
}

/** What our own writer makes. */
export async function ownSeeds(kernels: Kernels): Promise<Seed[]> {
  const seeds = [seedOf('built by hand', 'hand.qcow2', new Map([['hand.qcow2', sample().bytes]]))];
  const kinds: [options: string, compress: boolean][] = [
    ['cluster_size=512', false],
    ['cluster_size=4k,refcount_bits=1', true],
    ['cluster_size=64k,compat=0.10', false],
    ['cluster_size=64k,compression_type=zstd', true],
    ['cluster_size=16k,extended_l2=on', false],
    ['cluster_size=32k,refcount_bits=64,preallocation=metadata', false],
  ];
  for (const [options, compress] of kinds) {
    const world = new World(kernels, false);
    world.files.set(`${IMAGES}disk.raw`, PagedFile.of(disk()));
    await convert(world, { ...convertRequest(`${IMAGES}disk.raw`, `${TARGETS}x`, 'qcow2'), options, compress });
    const bytes = contentOf(world.files.get(`${TARGETS}x`)!);
    seeds.push(seedOf(`own ${options}${compress ? ' -c' : ''}`, 'own.qcow2', new Map([['own.qcow2', bytes]])));
  }
  seeds.push(await streamSeed(kernels), await bundleSeed(kernels), differencingVdi());
  seeds.push(seedOf('raw', 'plain.raw', new Map([['plain.raw', disk().slice(0, 200_000)]])));
  return seeds;
}

/** A VMDK whose tables are behind its grains. */
async function streamSeed(kernels: Kernels): Promise<Seed> {
  const world = new World(kernels, false);
  world.files.set(`${IMAGES}disk.raw`, PagedFile.of(disk()));
  const options = 'subformat=streamOptimized';
  await convert(world, { ...convertRequest(`${IMAGES}disk.raw`, `${TARGETS}x.vmdk`, 'vmdk'), options });
  const bytes = contentOf(world.files.get(`${TARGETS}x.vmdk`)!);
  return seedOf(`own vmdk ${options}`, 'own.vmdk', new Map([['own.vmdk', bytes]]));
}

/** A Parallels bundle of two parts, one of them with a snapshot. */
async function bundleSeed(kernels: Kernels): Promise<Seed> {
  const world = new World(kernels, false);
  world.files.set(`${IMAGES}disk.raw`, PagedFile.of(disk()));
  const options = 'cluster_size=64k';
  await convert(world, { ...convertRequest(`${IMAGES}disk.raw`, `${TARGETS}x.hds`, 'parallels'), options });
  const hds = contentOf(world.files.get(`${TARGETS}x.hds`)!);
  const [sectors, root] = [DISK / 512, '{11111111-2222-3333-4444-555555555555}'];
  const image = (guid: string, file: string, type = 'Compressed') => ({ guid, type, file });
  const text = descriptorText({
    size: 2 * sectors,
    storages: [
      { start: 0, end: sectors, images: [image(root, 'a.hds', 'Plain'), image(TOP, 'b.hds')] },
      { start: sectors, end: 2 * sectors, images: [image(root, 'b.hds'), image(TOP, 'c.hds')] },
    ],
    shots: [
      { guid: TOP, parent: root },
      { guid: root, parent: NOTHING },
    ],
  });
  const files = [
    ['DiskDescriptor.xml', new TextEncoder().encode(text)],
    ['a.hds', disk()],
    ['b.hds', hds],
    ['c.hds', hds.slice()],
  ] as const;
  return seedOf('Parallels bundle', 'DiskDescriptor.xml', new Map(files));
}

/** Two images over a third one, all found by their UUIDs. */
function differencingVdi(): Seed {
  const files = [
    ['base.vdi', buildVdi({ type: 1, uuid: 'a', content: '1', blocks: [1, 'parent'] })],
    ['mid.vdi', buildVdi({ type: 4, uuid: 'b', content: '2', parent: 'a', parentContent: '1', blocks: ['parent', 2] })],
    [
      'top.vdi',
      buildVdi({ type: 4, uuid: 'c', content: '3', parent: 'b', parentContent: '9', blocks: ['zero', 'parent'] }),
    ],
  ] as const;
  return seedOf('differencing VDI', 'top.vdi', new Map<string, Uint8Array>(files));
}

/** Commands of `qemu-img` and `qemu-io` that make one image, `main`, from `disk.raw`. */
interface Recipe {
  main: string;
  steps: string[];
}

const CONVERT = 'qemu-img convert -f raw -O qcow2';

function plain(options: string, flags = ''): Recipe {
  return { main: 'x.qcow2', steps: [`${CONVERT} ${flags} -o ${options} disk.raw x.qcow2`] };
}

const RECIPES: Recipe[] = [
  ...[512, 1024, 4096, 65536, 262144].map((size) => plain(`cluster_size=${size}`)),
  plain('cluster_size=2M'),
  plain('cluster_size=512', '-c'),
  plain('cluster_size=64k', '-c'),
  plain('cluster_size=4k,compression_type=zstd', '-c'),
  plain('cluster_size=2M,compression_type=zstd', '-c'),
  plain('cluster_size=64k,extended_l2=on'),
  plain('cluster_size=16k,extended_l2=on', '-c'),
  plain('compat=0.10'),
  plain('refcount_bits=1'),
  plain('refcount_bits=8,lazy_refcounts=on'),
  plain('preallocation=metadata,cluster_size=4k'),
  {
    main: 'x.qcow2',
    steps: [
      `${CONVERT} -o cluster_size=4k disk.raw x.qcow2`,
      'qemu-img snapshot -c one x.qcow2',
      "qemu-io -c 'write -P 7 0 100k' -c 'write -z 200k 64k' x.qcow2",
      'qemu-img snapshot -c two x.qcow2',
      "qemu-io -c 'discard 500k 100k' x.qcow2",
    ],
  },
  {
    main: 'x.qcow2',
    steps: [
      `${CONVERT} -o cluster_size=4k disk.raw x.qcow2`,
      'qemu-img bitmap --add -g 4k x.qcow2 marks',
      "qemu-io -c 'write -P 7 0 100k' x.qcow2",
      'qemu-img bitmap --add x.qcow2 more',
    ],
  },
  {
    main: 'top.qcow2',
    steps: [
      `${CONVERT} -o cluster_size=4k disk.raw base.qcow2`,
      'qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 -o cluster_size=64k mid.qcow2 2M',
      "qemu-io -c 'write -P 9 64k 300k' mid.qcow2",
      'qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 -o extended_l2=on top.qcow2 3M',
      "qemu-io -c 'write -P 5 100k 20k' -c 'write -z 256k 128k' top.qcow2",
    ],
  },
  {
    main: 'top.qcow2',
    steps: [
      'cp disk.raw base.raw',
      'qemu-img create -q -f qcow2 -b base.raw -F raw -o cluster_size=512,compat=0.10 top.qcow2',
      "qemu-io -c 'write -P 5 100k 20k' top.qcow2",
    ],
  },
  { main: 'x.qcow2', steps: [`${CONVERT} -o data_file=x.data disk.raw x.qcow2`] },
  { main: 'x.qcow2', steps: [`${CONVERT} -o data_file=x.data,data_file_raw=on,cluster_size=4k disk.raw x.qcow2`] },
  ...['monolithicSparse,zeroed_grain=on', 'twoGbMaxExtentSparse', 'monolithicFlat', 'streamOptimized'].map((kind) => ({
    main: 'x.vmdk',
    steps: [`qemu-img convert -f raw -O vmdk -o subformat=${kind} disk.raw x.vmdk`],
  })),
];

/** What `qemu-img` makes; empty where it is not installed. */
export function qemuSeeds(): Seed[] {
  if (spawnSync('qemu-img', ['--version']).error !== undefined) return [];
  const directory = mkdtempSync(join(tmpdir(), 'diskloom-seeds-'));
  try {
    return RECIPES.map((recipe) => cook(recipe, directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function cook({ main, steps }: Recipe, directory: string): Seed {
  for (const old of readdirSync(directory)) rmSync(join(directory, old));
  writeFileSync(join(directory, 'disk.raw'), disk());
  for (const step of steps) {
    const { status, stderr } = spawnSync('sh', ['-c', step], { cwd: directory, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${step}: ${stderr}`);
  }
  const files = new Map<string, Uint8Array>();
  for (const file of readdirSync(directory))
    if (file !== 'disk.raw') files.set(file, readFileSync(join(directory, file)));
  return seedOf(steps.join('; '), main, files);
}
