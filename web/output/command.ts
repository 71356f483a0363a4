/** The command line that does the same. */
import type { OptionValues } from '../../src/platform/web/index.js';

export interface CommandParts {
  /** A file name, or a URL. */
  readonly source: string;
  readonly target: string;
  readonly format: string;
  readonly options: OptionValues;
  readonly compress: boolean;
  /** Bytes of zeros behind the disk. */
  readonly padding: number;
  readonly reproducible: boolean;
  readonly snapshot: string | null;
  /** Options of opening, with the format that they belong to; null: the name alone will do. */
  readonly opening: { format: string; options: OptionValues } | null;
}

/** `diskloom convert …`, for a POSIX shell. Passphrases are read from files that are named after their ids. */
export function commandLine(parts: CommandParts): string {
  const { source, target, format, options, compress, padding, reproducible, snapshot, opening } = parts;
  const secrets = [...secretIds(opening?.options ?? {}), ...secretIds(options)];
  const words = ['diskloom', 'convert', '-p'];
  for (const id of secrets) words.push('--object', `secret,id=${id},file=${id}.txt`);
  if (compress) words.push('-c');
  if (reproducible) words.push('--reproducible');
  if (snapshot !== null) words.push('-l', `snapshot.id=${snapshot}`);
  const byOptions = opening !== null || padding > 0;
  if (byOptions) words.push('--image-opts');
  words.push('-O', format);
  const list = optionList(options);
  if (list !== '') words.push('-o', list);
  words.push(byOptions ? openingText(source, opening) : plainName(source));
  if (padding > 0) words.push(`driver=null-co,size=${padding},read-zeroes=on`);
  return [...words, plainName(target)].map(quoted).join(' ');
}

function openingText(source: string, opening: CommandParts['opening']): string {
  const name = source.replaceAll(',', ',,');
  const file = isUrl(source) ? `file.driver=${source.split(':')[0]},file.url=${name}` : `file.filename=${name}`;
  return opening === null ? file : [`driver=${opening.format}`, optionList(opening.options), file].join(',');
}

function optionList(options: OptionValues): string {
  return Object.entries(options)
    .map(([name, value]) => `${name}=${String(value).replaceAll(',', ',,')}`)
    .join(',');
}

function secretIds(options: OptionValues): string[] {
  return Object.entries(options)
    .filter(([name]) => name.endsWith('key-secret'))
    .map(([, id]) => String(id));
}

/** No file that a browser gives has a slash in its name. */
function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/** A file name with a colon would be taken for a URL, one with a dash for an option. */
function plainName(name: string): string {
  if (isUrl(name)) return name;
  return name.includes(':') || name.startsWith('-') ? `./${name}` : name;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
