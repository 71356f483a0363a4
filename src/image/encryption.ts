/** What opening and creating encrypted images needs of the caller. */
import type { Cryptography } from '../crypto/cryptography.js';
import { ImageError } from '../errors.js';
import type { OptionValues } from './options.js';

/** Keys and passphrases, by the ids that `key-secret` options name. */
export type Secrets = ReadonlyMap<string, Uint8Array>;

export interface EncryptionContext {
  readonly crypto: Cryptography;
  readonly secrets: Secrets;
  /** The disk's content is going to be read or written; without that, no key is looked for. */
  readonly content: boolean;
}

/**
 * The passphrase that the option `name` with the value `id` stands for: text, up to its first NUL. Throws `invalid`
 * where there is none, `not-found` where it names no secret.
 */
export function passphraseOf(encryption: EncryptionContext, name: string, id: unknown): Uint8Array {
  if (id === undefined) throw new ImageError('invalid', `Parameter '${name}' is required for cipher`);
  const secret = encryption.secrets.get(String(id));
  if (secret === undefined) throw new ImageError('not-found', `No secret with id '${id}'`);
  if (!isText(secret)) throw new ImageError('invalid', `Data from secret ${id} is not valid UTF-8`);
  const end = secret.indexOf(0);
  return end < 0 ? secret : secret.subarray(0, end);
}

function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** What an image is encrypted with, by the names that options use; null: it is not. */
export type EncryptionMethod = 'aes' | 'luks';

/** Throws `invalid` where an option speaks of another encryption than the image has; undefined: none does. */
export function checkEncryptionFormat(found: EncryptionMethod | null, wanted: unknown): void {
  if (wanted === undefined) return;
  if (found === null)
    throw new ImageError('invalid', `No encryption in image header, but options specified format '${wanted}'`);
  if (wanted !== found)
    throw new ImageError('invalid', `Header reported '${found}' encryption format but options specify '${wanted}'`);
}

/** The deprecated `encryption=on` and what replaced it exclude each other. Throws `invalid`. */
export function checkEncryptionAlias({ encryption, 'encrypt.format': format }: OptionValues): void {
  if (encryption !== undefined && format !== undefined)
    throw new ImageError('invalid', "'encrypt.format' and its alias 'encryption' can't be used at the same time");
}

/** For a caller that offers no cryptography. */
export function encryptionUnavailable(): ImageError {
  return new ImageError('unsupported', 'Encrypted images are not supported here');
}
