/**
 * One mutant, and what is done with it.
 *
 * What must hold whatever the image says: each command succeeds or throws an `ImageError` of one line and bounded
 * length; nothing outside the image's directory is opened; all storage is closed and all buffers are given back; a
 * failed conversion leaves no target. That it ends in time and in little memory is watched from outside.
 */
import { checkImage } from '../../src/commands/check.js';
import { type ConvertRequest, convert } from '../../src/commands/convert.js';
import { imageInfo } from '../../src/commands/info.js';
import { mapImage } from '../../src/commands/map.js';
import { ImageError } from '../../src/errors.js';
import type { Repair } from '../../src/image/check.js';
import type { Kernels } from '../../src/kernels/kernels.js';
import { Random } from '../support/random.js';
import { mutate } from './mutate.js';
import { PagedFile } from './paged-store.js';
import { convertRequest } from './requests.js';
import type { Seed } from './seeds.js';
import { IMAGES, TARGETS, World } from './world.js';

/** Something that must not happen. */
export interface Finding {
  /** The command that did it. */
  command: string;
  what: string;
}

export interface Trial {
  seed: string;
  mutations: string[];
  findings: Finding[];
  /** Commands and what became of them: 'ok' or the code of the error. */
  outcomes: { command: string; outcome: string; message: string }[];
  /** The raw disk, if there is one. */
  disk: PagedFile | null;
  files: ReadonlyMap<string, PagedFile>;
}

/** Messages may name a file of up to 1023 bytes on each level of a chain, but not more levels than there are files. */
const LONGEST_MESSAGE = 6000;
/** Entries of a map after which it is long enough. */
const ENOUGH = 200_000;

/** What is written into mutants. */
const SMALL = PagedFile.of(new Random(5).bytes(150_000));

/** Makes mutant number `index` and tries it. The same arguments do the same again; `aloud` tells each step of it. */
export async function tryMutant(
  kernels: Kernels,
  seeds: readonly Seed[],
  run: number,
  index: number,
  aloud = false,
): Promise<Trial> {
  const random = new Random(run * 1_000_003 + index);
  for (let i = 0; i < 8; i++) random.next();
  const seed = seeds[random.below(seeds.length)]!;
  const files = new Map([...seed.files].map(([name, file]) => [name, file.copy()]));
  const mutations = mutate(random, seed, files);
  const trial: Trial = { seed: seed.name, mutations, findings: [], outcomes: [], disk: null, files };
  const late = random.below(4) === 0;
  if (aloud) console.log([seed.name, ...mutations].join('\n  '));
  const named = (name: string) => IMAGES + name;

  /** A new world with the mutant in it; the command may change its files. */
  const attempt = async (command: string, work: (world: World, image: string) => Promise<unknown>): Promise<World> => {
    if (aloud) console.log(command);
    const world = new World(kernels, late);
    for (const [name, file] of files) world.files.set(named(name), file.copy());
    await judge(trial, world, command, () => work(world, named(seed.main)));
    return world;
  };

  await attempt('info', (world, name) =>
    imageInfo(world, {
      name,
      format: null,
      imageOptions: false,
      share: false,
      backingChain: true,
      allowExternal: false,
    }),
  );
  await attempt('map', (world, name) => mapAll(world, name));
  const done = await attempt('convert -O raw', (world, name) =>
    convert(world, convertRequest(name, `${TARGETS}disk.raw`, 'raw')),
  );
  if (trial.outcomes.at(-1)?.outcome === 'ok') trial.disk = done.files.get(`${TARGETS}disk.raw`) ?? null;
  if (random.below(4) === 0) {
    const repair = random.below(2) === 0 ? 'none' : 'all';
    await attempt(`check, repair ${repair}`, (world, name) => checkAll(world, name, repair));
    return trial;
  }
  const { name, change } = variantOf(random);
  await attempt(`convert ${name}`, (world, image) => {
    world.files.set(`${IMAGES}small.raw`, SMALL.copy());
    return convert(world, change(convertRequest(image, `${TARGETS}new`, 'qcow2'), image));
  });
  return trial;
}

interface Variant {
  name: string;
  change(request: ConvertRequest, image: string): ConvertRequest;
}

const intoImage =
  (extra: Partial<ConvertRequest> = {}): Variant['change'] =>
  (request, image) => ({ ...request, sources: [`${IMAGES}small.raw`], target: image, noCreate: true, ...extra });

const VARIANTS: readonly Variant[] = [
  { name: '-O qcow2', change: (request) => request },
  { name: '-m 1', change: (request) => ({ ...request, parallel: 1, options: 'cluster_size=512' }) },
  { name: '-c', change: (request) => ({ ...request, compress: true }) },
  { name: '-c zstd', change: (request) => ({ ...request, compress: true, options: 'compression_type=zstd' }) },
  { name: '-S 0', change: (request) => ({ ...request, sparse: 0, options: 'extended_l2=on' }) },
  { name: '-l 1', change: (request) => ({ ...request, snapshot: { idOrName: '1' } }) },
  { name: '-l two', change: (request) => ({ ...request, snapshot: { idOrName: 'two' } }) },
  { name: '-l snap', change: (request) => ({ ...request, snapshot: { idOrName: 'snap' } }) },
  { name: '--bitmaps', change: (request) => ({ ...request, bitmaps: true, skipBrokenBitmaps: true }) },
  { name: '--salvage', change: (request) => ({ ...request, salvage: true }) },
  { name: '-B', change: (request, image) => ({ ...request, options: `backing_file=${image},backing_fmt=qcow2` }) },
  { name: '-n', change: intoImage() },
  { name: '-n -f', change: intoImage({ targetFormat: 'qcow2' }) },
  { name: '-n -c', change: intoImage({ targetFormat: 'qcow2', compress: true }) },
  { name: '-n -S 0', change: intoImage({ targetFormat: 'qcow2', sparse: 0, parallel: 1 }) },
];

function variantOf(random: Random): Variant {
  return VARIANTS[random.below(VARIANTS.length)]!;
}

async function mapAll(world: World, name: string): Promise<void> {
  let position = 0;
  let entries = 0;
  const onEntry = ({ start, length }: { start: number; length: number }) => {
    if (start !== position) throw new Error(`the map jumps from ${position} to ${start}`);
    position = start + length;
    return ++entries < ENOUGH;
  };
  const request = { name, format: null, imageOptions: false, share: false, startOffset: 0, maxLength: null };
  await mapImage(world, { ...request, allowExternal: false }, { onOpen: () => {}, onEntry });
}

async function checkAll(world: World, name: string, repair: Repair): Promise<void> {
  const request = { name, format: null, imageOptions: false, share: false, allowExternal: false };
  const events = { onFinding: () => {}, onTrouble: () => {}, onRepaired: () => {} };
  await checkImage(world, { ...request, cache: 'writeback', repair }, events);
}

/** Runs a command and holds what became of it against the rules. */
async function judge(trial: Trial, world: World, command: string, work: () => Promise<unknown>): Promise<void> {
  const found = (what: string) => trial.findings.push({ command, what });
  let outcome = 'ok';
  let message = '';
  try {
    await work();
  } catch (error) {
    if (error instanceof ImageError) {
      outcome = error.code;
      message = error.message;
      if (message.length > LONGEST_MESSAGE) found(`a message of ${message.length} characters`);
    } else {
      outcome = 'bug';
      found(error instanceof Error ? (error.stack ?? String(error)) : String(error));
    }
  }
  trial.outcomes.push({ command, outcome, message });
  if (world.trespasses.length > 0) found(`opened ${world.trespasses.join(', ')}`);
  if (world.openStores !== 0) found(`left ${world.openStores} storages open`);
  if (world.lentBuffers !== 0) found(`kept ${world.lentBuffers} buffers`);
  const targets = [...world.files.keys()].filter((name) => name.startsWith(TARGETS));
  if (outcome !== 'ok' && targets.length > 0) found(`left ${targets.join(', ')} after '${message}'`);
}
