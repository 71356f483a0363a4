/** What the user wants made: format, options, name, place. */
import { batch, computed, effect, signal } from '@preact/signals';
import type { OptionValues } from '../../src/platform/web/index.js';
import type { ImageFile } from '../intake/image-file.js';
import { chosen } from '../intake/intake.js';
import { givenFile } from '../intake/unpack.js';
import { knownFormats } from '../shell/engine.js';
import { canPickFile } from '../shell/pickers.js';
import { PRESETS, type Preset } from './presets.js';

export type Place = 'download' | 'file';

/** The formats that can be written. */
export const targets = computed(() => knownFormats.value.filter(({ writes }) => writes));
export const format = signal('qcow2');
/** What the user set, as they typed it; absent: the default. */
export const options = signal<OptionValues>({});
/** The user wants it compressed; see `compresses`. */
export const compress = signal(false);
/** IDs and times follow from what is asked for, so that the same conversion makes the same file. */
export const reproducible = signal(false);
/** The preset whose values these are; null: the user's own. */
export const preset = signal<Preset | null>(null);
/** The disk as it was at this snapshot, by id; null: as it is. */
export const snapshot = signal<string | null>(null);
/** The passphrase of the new image; it never becomes part of a command. */
export const newPassphrase = signal('');
/** The bytes that the disk is short of what the destination takes; 0: none, or it does not matter. */
const shortage = computed(() => {
  const size = chosen.value?.inspection?.layers[0]?.virtualSize ?? 0;
  const unit = preset.value?.wholeUnit ?? 1;
  return (unit - (size % unit)) % unit;
});
/** Zeros to fill it up with. */
export const padding = computed(() => (snapshot.value === null ? shortage.value : 0));
/** It has to be filled up, but a disk as it was at a snapshot cannot be. */
export const isTooShort = computed(() => shortage.value > padding.value);
/** A name of the user's own; null: the suggested one. */
const ownName = signal<string | null>(null);
/** Where the result goes; null: wherever it is better. */
export const ownPlace = signal<Place | null>(null);

export const target = computed(() => targets.value.find(({ name }) => name === format.value) ?? null);
/** It is going to be compressed: wanted, and possible. */
export const compresses = computed(() => compress.value && (target.value?.compresses ?? false));
/** Presets whose formats are there, one a destination. */
export const presets = computed(() => {
  const possible = PRESETS.filter((each) => targets.value.some(({ name }) => name === each.format));
  return possible.filter((each) => possible.find(({ name }) => name === each.name) === each);
});

/** Usual endings of file names. */
const EXTENSIONS: Readonly<Record<string, string>> = { raw: 'img', vpc: 'vhd', parallels: 'hdd' };
const KNOWN_ENDING =
  /\.(img|raw|bin|dd|iso|qcow2?|qed|vdi|vhdx?|vmdk|hdd|hds|dmg|luks|cloop|ova|tar)(\.(gz|xz|zst|bz2))?$/i;

const ending = computed(() => `.${EXTENSIONS[format.value] ?? format.value}`);

export const suggestedName = computed(() => {
  const source = chosen.value?.file.name;
  if (source === undefined) return '';
  if (preset.value?.fileName) return preset.value.fileName;
  const base = source.replace(KNOWN_ENDING, '');
  const name = base + ending.value;
  // Nobody wants to write over what is being read.
  return name === source ? `${base}-converted${name.slice(base.length)}` : name;
});
export const fileName = computed(() => ownName.value ?? suggestedName.value);

/** Takes a name of the user's, as far as it is typed. */
export function nameIt(name: string): void {
  ownName.value = name;
}

/** It is typed: an empty one gives way to the suggestion. */
export function nameEnded(): void {
  if (ownName.value === '') ownName.value = null;
}

/** A name of the user's keeps up with the format, if it has an ending that says one. */
function endName(): void {
  ownName.value = ownName.value?.replace(KNOWN_ENDING, ending.value) ?? null;
}

/** The user has made a choice: it is kept when another image comes. */
let isTheirs = false;

/** Chooses a format, with everything else at its default. */
export function chooseFormat(name: string): void {
  isTheirs = true;
  batch(() => {
    format.value = name;
    options.value = {};
    newPassphrase.value = '';
    preset.value = null;
    endName();
  });
}

/** Keeps all settings, for no destination in particular. */
export function choosePlain(): void {
  preset.value = null;
}

/** Takes over what a destination wants. */
export function choosePreset(chosenPreset: Preset): void {
  isTheirs = true;
  batch(() => {
    format.value = chosenPreset.format;
    options.value = { ...chosenPreset.options };
    compress.value = chosenPreset.compress ?? false;
    preset.value = chosenPreset;
    if (chosenPreset.fileName !== undefined) ownName.value = null;
    else endName();
  });
}

/** Sets an option; undefined: the default. */
export function setOption(name: string, value: string | boolean | undefined): void {
  const { [name]: _, ...others } = options.value;
  const kept = name === 'encrypt.format' ? withoutEncryption(others) : others;
  options.value = value === undefined || value === '' ? kept : { ...kept, [name]: value };
}

/** What says how to encrypt is of no use where nothing, or otherwise, is encrypted. */
function withoutEncryption(values: OptionValues): OptionValues {
  newPassphrase.value = '';
  return Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith('encrypt.')));
}

/** Plain results from this size on would have to go through the browser's storage in full, holes included. */
const LARGE = 8 * 1024 ** 3;

const subformat = computed(() => String(options.value.subformat ?? ''));
/** The result takes as much room as the disk has bytes, whatever they are. */
export const isPlain = computed(() => format.value === 'raw' || /^fixed$|Flat$/.test(subformat.value));
/** The result is a set of files: the parts of a VMDK, and the descriptor that names them. */
export const isSet = computed(() => /^twoGb|Flat$/.test(subformat.value));

/** The better place, as far as can be known before. */
export const bestPlace = computed<Place>(() => {
  const size = chosen.value?.inspection?.layers[0]?.virtualSize ?? 0;
  return canPickFile && isPlain.value && size >= LARGE ? 'file' : 'download';
});
/** One file that the user chooses cannot hold a set. */
export const place = computed<Place>(() => (isSet.value ? 'download' : (ownPlace.value ?? bestPlace.value)));

/** Begins anew with each image. */
export function followImage(): void {
  let last: ImageFile | null = null;
  effect(() => {
    const candidate = chosen.value;
    // What came of unpacking a file is still that file.
    const given = candidate === null ? null : givenFile(candidate.file);
    const isNew = given !== last;
    last = given;
    batch(() => {
      if (isNew) {
        snapshot.value = null;
        ownPlace.value = null;
        ownName.value = null;
      }
      if (!isTheirs) format.value = candidate?.inspection?.layers[0]?.format === 'qcow2' ? 'raw' : 'qcow2';
    });
  });
}
