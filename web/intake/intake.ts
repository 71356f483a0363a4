/** The files that the page was given, and which of them are images of their own. */
import { batch, computed, signal } from '@preact/signals';
import { type ImageError, type Inspection, inspect } from '../../src/platform/web/index.js';
import { failureOf } from '../shell/failure.js';
import { comesFrom, folderOf } from './files.js';
import type { ImageFile } from './image-file.js';
import { unpackedFile } from './unpack.js';

/** An image: a file, and what is known of it. */
export interface Candidate {
  readonly file: ImageFile;
  /** null: it could not be opened. */
  readonly inspection: Inspection | null;
  readonly error: ImageError | null;
}

/**
 * The files that were given together, and those that completed them: what an image refers to is looked for among these alone.
 * Of an earlier image they would be wrong, however they are called.
 */
let pool: readonly ImageFile[] = [];

/** The images among them, the likeliest first. */
export const candidates = signal<readonly Candidate[]>([]);
const chosenFile = signal<ImageFile | null>(null);
/** How many times files are being looked at. */
export const looking = signal(0);
/** What stands in for a file of another name: the name that is asked for, and the file's own. */
export const standIns = signal<ReadonlyMap<string, string>>(new Map());

/** The image that the page is about. */
export const chosen = computed(
  () => candidates.value.find(({ file }) => file === chosenFile.value) ?? candidates.value[0] ?? null,
);

/** Name of a file that the chosen image needs and nobody has given. */
export const missingFile = computed(() => {
  const candidate = chosen.value;
  const trouble = candidate?.error ?? candidate?.inspection?.trouble ?? null;
  return trouble?.code === 'not-found' && trouble.file !== candidate?.file.name ? (trouble.file ?? null) : null;
});

/** The chosen image, or what it builds on, is encrypted, and its passphrase is not known. */
export const isLocked = computed(() => {
  const { trouble = null, layers = [] } = chosen.value?.inspection ?? {};
  return trouble !== null && missingFile.value === null && layers.at(-1)!.encrypted;
});

/** Shows another one of the images. */
export function choose({ file }: Candidate): void {
  chosenFile.value = file;
}

/** All files but this one and its namesakes, those of its own folder last: of the same name the last one counts. */
export function othersThan(file: ImageFile): ImageFile[] {
  const others = pool.filter(({ name }) => name !== file.name);
  const isNear = (other: ImageFile) => folderOf(other) === folderOf(file);
  return [...others.filter((other) => !isNear(other)), ...others.filter(isNear)];
}

/** The files that an image is made of or builds on, as far as they are here, its own among them. */
function filesOf({ file, inspection }: Pick<Candidate, 'file' | 'inspection'>): ImageFile[] {
  const byName = new Map(othersThan(file).map((other) => [other.name, other]));
  return [file, ...(inspection?.files ?? []).flatMap((name) => byName.get(name) ?? [])];
}

/** Bytes of an image's file and of all others that it is made of or builds on. */
export function sizeWithParts(candidate: Pick<Candidate, 'file' | 'inspection'>): number {
  return filesOf(candidate).reduce((sum, { size }) => sum + size, 0);
}

/** Takes files in. What completes the image at hand leaves it at hand; else the page is about the new ones. */
export async function addFiles(files: readonly ImageFile[]): Promise<void> {
  if (files.length === 0) return;
  // The browser looks at a file when it is first asked for its size: only from then on does it notice changes.
  const taken = files.filter(({ size }) => size >= 0);
  const missing = missingFile.value;
  const completes = missing !== null && taken.some(({ name }) => name === missing);
  const names = new Set(taken.map(({ name }) => name));
  pool = completes ? [...pool.filter(({ name }) => !names.has(name)), ...taken] : taken;
  if (!completes) {
    batch(() => {
      candidates.value = taken.map((file) => ({ file, inspection: null, error: null }));
      chosenFile.value = null;
      standIns.value = new Map();
    });
  }
  turn += 1;
  latest = takeIn(taken, completes, turn);
  await latest;
}

/** Takes in what the user has chosen for the missing file: a single one is that, whatever its name. */
export async function addMissing(files: readonly File[]): Promise<void> {
  const missing = missingFile.value;
  const [file, ...others] = files;
  if (missing === null || file === undefined || others.length > 0 || file.name === missing) return addFiles(files);
  standIns.value = new Map(standIns.value).set(missing, file.name);
  return addFiles([new File([file], missing, { lastModified: file.lastModified })]);
}

/** How many times files have come: who sees another number than before is late. */
let turn = 0;

/** What is compressed is unpacked first. */
async function takeIn(files: readonly ImageFile[], completes: boolean, since: number): Promise<void> {
  looking.value += 1;
  try {
    const plain: ImageFile[] = [];
    for (const file of files) {
      if (turn !== since) return;
      const unpacked = 'url' in file ? file : await unpackedFile(file);
      comesFrom(unpacked, file);
      pool = pool.map((each) => (each === file ? unpacked : each));
      plain.push(unpacked);
    }
    const given = (file: ImageFile) => plain.find(({ name }) => name === file.name) ?? file;
    const atHand = completes && chosen.value !== null ? given(chosen.value.file) : null;
    const found = await lookAtAll(completes ? candidates.value.map(({ file }) => given(file)) : plain);
    if (turn !== since) return;
    batch(() => {
      candidates.value = order(found);
      if (atHand !== null) chosenFile.value = atHand;
    });
  } catch (thrown) {
    if (turn === since) candidates.value = files.map((file) => ({ file, inspection: null, error: failureOf(thrown) }));
  } finally {
    looking.value -= 1;
  }
}

/** Resolves when it is clear what the page is about. */
export function settled(): Promise<void> {
  return latest;
}

let latest: Promise<void> = Promise.resolve();

async function lookAtAll(subjects: readonly ImageFile[]): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const file of subjects) found.push(await look(file));
  return found;
}

/** Opens an image again, with its passphrase. */
export async function lookAgain(file: ImageFile, passphrase: string, keyOption: string): Promise<void> {
  const format = candidates.value.find((each) => each.file === file)?.inspection?.layers[0]?.format;
  const again = await look(file, {
    sourceFormat: format,
    sourceOptions: { [keyOption]: SOURCE_SECRET },
    secrets: { [SOURCE_SECRET]: passphrase },
  });
  candidates.value = candidates.value.map((each) => (each.file === file ? again : each));
}

/** The id of the secret that opens the source. */
export const SOURCE_SECRET = 'source';

async function look(file: ImageFile, options: Parameters<typeof inspect>[1] = {}): Promise<Candidate> {
  try {
    return { file, inspection: await inspect(file, { references: othersThan(file), ...options }), error: null };
  } catch (thrown) {
    return { file, inspection: null, error: failureOf(thrown) };
  }
}

/** Without the files that belong to another one, the likeliest first. */
function order(found: readonly Candidate[]): Candidate[] {
  const parts = new Set(found.flatMap((each) => filesOf(each).slice(1)));
  return found.filter(({ file }) => !parts.has(file)).sort((a, b) => doubtOf(a) - doubtOf(b));
}

/** What is known by its content; what refers to something that is not here; what may be anything; what nothing can be made of. */
function doubtOf({ inspection, error }: Candidate): number {
  if (inspection !== null) return inspection.layers[0]?.format === 'raw' ? 2 : 0;
  return error?.code === 'not-found' ? 1 : 3;
}
