/** The files that the page was given, and which of them are images of their own. */
import { batch, computed, signal } from '@preact/signals';
import { type ImageError, type Inspection, inspect, type RemoteFile } from '../../src/platform/web/index.js';
import { failureOf } from '../shell/failure.js';
import { unpackedFile } from './unpack.js';

/** A file of this machine, or on a web server. */
export type ImageFile = File | RemoteFile;

/** An image: a file, and what is known of it. */
export interface Candidate {
  readonly file: ImageFile;
  /** null: it could not be opened. */
  readonly inspection: Inspection | null;
  readonly error: ImageError | null;
}

/** All files that were ever given, by name: backing files and parts are looked for among them. */
const pool = new Map<string, ImageFile>();

/** The images of the latest files, the likeliest first. */
export const candidates = signal<readonly Candidate[]>([]);
const chosenName = signal<string | null>(null);
/** How many files are being looked at. */
export const looking = signal(0);

/** The image that the page is about. */
export const chosen = computed(
  () => candidates.value.find(({ file }) => file.name === chosenName.value) ?? candidates.value[0] ?? null,
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
export function choose(name: string): void {
  chosenName.value = name;
}

/** All files but this one: what an image refers to is among them. */
export function othersThan(file: ImageFile): ImageFile[] {
  return [...pool.values()].filter((other) => other !== file);
}

/** Bytes of an image's file and of all others that it is made of or builds on. */
export function sizeWithParts({ file, inspection }: Pick<Candidate, 'file' | 'inspection'>): number {
  const names = new Set([file.name, ...(inspection?.files ?? [])]);
  return [...names].reduce((sum, name) => sum + (pool.get(name)?.size ?? 0), 0);
}

/** Takes files in. What completes the image at hand leaves it at hand; else the page is about the new ones. */
export async function addFiles(files: readonly ImageFile[]): Promise<void> {
  if (files.length === 0) return;
  // The browser looks at a file when it is first asked for its size: only from then on does it notice changes.
  for (const file of files) if (file.size >= 0) pool.set(file.name, file);
  const missing = missingFile.value;
  const completes = missing !== null && files.some(({ name }) => name === missing);
  if (!completes) {
    batch(() => {
      candidates.value = files.map((file) => ({ file, inspection: null, error: null }));
      chosenName.value = null;
    });
  }
  latest = takeIn(files, completes);
  await latest;
}

/** What is compressed is unpacked first. */
async function takeIn(files: readonly ImageFile[], completes: boolean): Promise<void> {
  looking.value += 1;
  try {
    const plain: ImageFile[] = [];
    for (const file of files) {
      if (pool.get(file.name) !== file) return;
      const unpacked = 'url' in file ? file : await unpackedFile(file);
      pool.set(unpacked.name, unpacked);
      plain.push(unpacked);
    }
    const subjects = completes ? candidates.value.map(({ file }) => pool.get(file.name) ?? file) : plain;
    await lookAtAll(subjects);
  } catch (thrown) {
    candidates.value = files.map((file) => ({ file, inspection: null, error: failureOf(thrown) }));
  } finally {
    looking.value -= 1;
  }
}

/** Resolves when it is clear what the page is about. */
export function settled(): Promise<void> {
  return latest;
}

let latest: Promise<void> = Promise.resolve();

async function lookAtAll(subjects: readonly ImageFile[]): Promise<void> {
  const found: Candidate[] = [];
  for (const file of subjects) found.push(await look(file));
  // Others may have come meanwhile.
  if (subjects.every((file) => pool.get(file.name) === file)) candidates.value = order(found);
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

/** Without the files that belong to another one; what is known by its content before what may be anything. */
function order(found: readonly Candidate[]): Candidate[] {
  const parts = new Set(
    found.flatMap(({ file, inspection }) => inspection?.files.filter((name) => name !== file.name) ?? []),
  );
  const whole = found.filter(({ file }) => !parts.has(file.name));
  const isKnown = ({ inspection }: Candidate) => inspection !== null && inspection.layers[0]?.format !== 'raw';
  return [...whole.filter(isKnown), ...whole.filter((each) => !isKnown(each))];
}
