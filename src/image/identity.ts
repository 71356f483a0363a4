/**
 * What makes an image unlike all others: the UUIDs and the times that formats store.
 *
 * They are fresh in every image, unless the user wants the same file again: then UUIDs are derived from what was asked
 * for (format, size, options, never the content nor the file's name), and the time is a given one. Keys and salts are
 * not identities: they are random or nothing.
 */
import type { Cryptography } from '../crypto/cryptography.js';
import { ImageError } from '../errors.js';
import type { MaybePromise } from '../maybe.js';
import { markUuid, randomUuid } from './uuid.js';

/** Hands out identities; `DriverContext.identity`. */
export interface Identity {
  /** 16 bytes as they are printed; `field` says what for, each name gets another one. */
  uuid(field: string): MaybePromise<Uint8Array>;
  /** A number of 32 bits, for formats with short identities. */
  number(field: string): MaybePromise<number>;
  /** Now, in whole seconds since 1970. */
  time(): number;
  /** To be asked before secrets are made. Throws `unsupported` where the same file is wanted again. */
  allowSecrets(what: string): void;
}

/** How identities are wanted. */
export interface IdentityWishes {
  /** The same for the same request; default false. */
  reproducible?: boolean | undefined;
  /** Seconds since 1970 in place of the present time. */
  time?: number | undefined;
}

/** The time of reproducible images unless another one is given: the start of 2000, which every format can store. */
const FIXED_TIME = 946_684_800;

/** Other ones in each image. */
export function freshIdentity(time?: number): Identity {
  return {
    uuid: randomUuid,
    number: () => globalThis.crypto.getRandomValues(new Uint32Array(1))[0]!,
    time: () => time ?? Math.floor(Date.now() / 1000),
    allowSecrets() {},
  };
}

/** The same for the same `seed`. */
export function derivedIdentity(crypto: Cryptography, seed: string, time = FIXED_TIME): Identity {
  const derive = async (field: string) => crypto.hash('sha256', new TextEncoder().encode(`${seed}\0${field}`));
  return {
    uuid: async (field) => markUuid((await derive(field)).slice(0, 16), CUSTOM_UUID),
    number: async (field) => {
      const [a, b, c, d] = await derive(field);
      return ((a! << 24) | (b! << 16) | (c! << 8) | d!) >>> 0;
    },
    time: () => time,
    allowSecrets(what) {
      throw new ImageError('unsupported', `${what} cannot be reproducible: keys and salts are always random`);
    },
  };
}

/** RFC 9562: UUIDs made by a rule of one's own. */
const CUSTOM_UUID = 8;
