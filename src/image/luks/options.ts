/** Create options of LUKS containers: the table, and what the values must be. Names and texts are those of `qemu-img`. */

import type { Cryptography } from '../../crypto/cryptography.js';
import { MODES } from '../../crypto/modes.js';
import type { CipherSpec } from '../../crypto/sector-cipher.js';
import { VECTOR_GENERATORS } from '../../crypto/vectors.js';
import { ImageError } from '../../errors.js';
import type { OptionTable, OptionValues } from '../options.js';
import { HASHES } from './header.js';
import { requireHash } from './unlock.js';

/** Ciphers that QEMU knows by name; of them, only AES is here. */
const AES = ['aes-128', 'aes-192', 'aes-256'] as const;
const CIPHERS = [
  ...[...AES, 'des', '3des', 'cast5-128', 'serpent-128', 'serpent-192', 'serpent-256'],
  ...['twofish-128', 'twofish-192', 'twofish-256', 'sm4'],
];

const DEFAULT_CIPHER = 'aes-256';
const DEFAULT_HASH = 'sha256';
/** Milliseconds. */
const DEFAULT_ITERATION_TIME = 2000;

/** How a new container is to be. */
export interface LuksOptions {
  cipher: CipherSpec;
  /** Of key derivation and splitter. */
  hash: string;
  /** Milliseconds that trying a passphrase is to take. */
  iterationTime: number;
}

/** `prefix`: of the names; `encrypt.` inside qcow2. */
export function luksOptionRows(prefix: string): OptionTable {
  return [
    { name: `${prefix}cipher-alg`, type: 'string', help: 'Name of encryption cipher algorithm', values: AES },
    { name: `${prefix}cipher-mode`, type: 'string', help: 'Name of encryption cipher mode', values: MODES },
    { name: `${prefix}ivgen-alg`, type: 'string', help: 'Name of IV generator algorithm', values: VECTOR_GENERATORS },
    { name: `${prefix}ivgen-hash-alg`, type: 'string', help: 'Name of IV generator hash algorithm', values: HASHES },
    { name: `${prefix}hash-alg`, type: 'string', help: 'Name of encryption hash algorithm', values: HASHES },
    { name: `${prefix}iter-time`, type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
  ];
}

/** Checks the options and fills in the defaults. Throws `invalid`, `unsupported` for what is known but not here. */
export function luksOptions(crypto: Cryptography, options: OptionValues, prefix = ''): LuksOptions {
  const word = <const T extends string>(name: string, words: readonly T[], fallback: T): T => {
    const value = options[prefix + name];
    if (value === undefined) return fallback;
    const found = words.find((each) => each === value);
    if (found === undefined) throw new ImageError('invalid', `Parameter '${name}' does not accept value '${value}'`);
    return found;
  };
  const cipher = word('cipher-alg', CIPHERS, DEFAULT_CIPHER);
  const mode = word('cipher-mode', MODES, 'xts');
  const generator = word('ivgen-alg', VECTOR_GENERATORS, 'plain64');
  const generatorHash = word('ivgen-hash-alg', HASHES, DEFAULT_HASH);
  const hash = word('hash-alg', HASHES, DEFAULT_HASH);
  if (!cipher.startsWith('aes-')) throw new ImageError('unsupported', `Algorithm '${cipher}' not supported`);
  requireHash(crypto, hash);
  const cipherBytes = Number(cipher.slice('aes-'.length)) / 8;
  return {
    cipher: { cipherBytes, mode, generator, generatorHash: generator === 'essiv' ? generatorHash : null },
    hash,
    iterationTime: Number(options[`${prefix}iter-time`] ?? DEFAULT_ITERATION_TIME),
  };
}
