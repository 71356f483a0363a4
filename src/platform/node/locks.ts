/**
 * Image locks, compatible with QEMU's, so that a running virtual machine's disk is neither read nor overwritten.
 *
 * A program states what it does with an image and what it does not let others do, as shared ("read") locks on single
 * bytes that lie beyond any header: byte 100 + n says "I use permission n", byte 200 + n says "I do not share
 * permission n". Then it tests whether somebody else holds the opposite byte. The locks belong to the open file
 * description (F_OFD_SETLK of fcntl(2)), so that they also work between two files opened by one process, and end with it.
 *
 * Where the C library is out of reach, the files that this process has open are at least told apart from each other: a
 * conversion into its own source is always refused.
 */
import type { Stats } from 'node:fs';
import { constants } from 'node:os';
import { ImageError } from '../../errors.js';
import { errnoError } from './errno.js';
import type { Libc } from './libc.js';

const USED = 100;
const UNSHARED = 200;

const PERMISSIONS = { 'consistent read': 0, write: 1, resize: 3 } as const;
type Permission = keyof typeof PERMISSIONS;

const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

const { EAGAIN, EACCES } = constants.errno;

interface Claim {
  uses: readonly Permission[];
  refuses: readonly Permission[];
}

const CLAIMS = {
  /** Reads, and nobody may write meanwhile. */
  read: { uses: ['consistent read'], refuses: ['write', 'resize'] },
  /** Reads whatever others do (`-U`). */
  shared: { uses: ['consistent read'], refuses: [] },
  /** Writes, and nobody else may; reading with `-U` is left to them. */
  write: { uses: ['consistent read', 'write', 'resize'], refuses: ['write', 'resize'] },
} as const satisfies Record<string, Claim>;

/** How a file is used. */
export type LockKind = keyof typeof CLAIMS;

/** `struct flock` of 64-bit Linux, for one byte. */
function flock(type: number, byte: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, type, true);
  view.setBigInt64(8, BigInt(byte), true);
  view.setBigInt64(16, 1n, true);
  return bytes;
}

function take(libc: Libc, fd: number, byte: number, file: string): void {
  const result = libc.fcntl(fd, F_OFD_SETLK, flock(F_RDLCK, byte));
  if (result < 0) throw lockError(`Failed to lock byte ${byte}`, -result, file);
}

/** Somebody else holds `byte`. */
function test(libc: Libc, fd: number, byte: number, text: string, file: string): void {
  const query = flock(F_WRLCK, byte);
  const result = libc.fcntl(fd, F_OFD_GETLK, query);
  if (result < 0) throw lockError(text, -result, file);
  if (query[0] !== F_UNLCK) throw lockError(text, EAGAIN, file);
}

function lockError(text: string, errno: number, file: string): ImageError {
  const held = errno === EAGAIN || errno === EACCES;
  const reason = held ? text : `${text}: ${errnoError(errno).message}`;
  const message = `${reason}\nIs another process using the image [${file}]?`;
  return new ImageError(held ? 'locked' : 'io', message, { file });
}

function lockBytes(libc: Libc, fd: number, { uses, refuses }: Claim, file: string): void {
  for (const name of uses) take(libc, fd, USED + PERMISSIONS[name], file);
  for (const name of refuses) take(libc, fd, UNSHARED + PERMISSIONS[name], file);
  for (const name of uses) test(libc, fd, UNSHARED + PERMISSIONS[name], `Failed to get "${name}" lock`, file);
  for (const name of refuses) test(libc, fd, USED + PERMISSIONS[name], `Failed to get shared "${name}" lock`, file);
}

/** Claims on the files that this process has open, by device and inode; used only without the C library. */
const ownClaims = new Map<string, Claim[]>();

function lockAmongOwn(claim: Claim, { dev, ino }: Stats, file: string): () => void {
  const key = `${dev}:${ino}`;
  const held = ownClaims.get(key) ?? [];
  for (const other of held) {
    const wanted = claim.uses.find((name) => other.refuses.includes(name));
    if (wanted !== undefined) throw lockError(`Failed to get "${wanted}" lock`, EAGAIN, file);
    const used = claim.refuses.find((name) => other.uses.includes(name));
    if (used !== undefined) throw lockError(`Failed to get shared "${used}" lock`, EAGAIN, file);
  }
  ownClaims.set(key, [...held, claim]);
  return () => {
    const left = (ownClaims.get(key) ?? []).filter((other) => other !== claim);
    if (left.length === 0) ownClaims.delete(key);
    else ownClaims.set(key, left);
  };
}

/**
 * Takes the locks, until the returned function is called and `fd` is closed. Throws `locked` if somebody else's use of
 * the file forbids this one.
 */
export function lockFile(libc: Libc | null, fd: number, stats: Stats, kind: LockKind, file: string): () => void {
  const claim: Claim = { ...CLAIMS[kind] };
  if (libc === null) return lockAmongOwn(claim, stats, file);
  lockBytes(libc, fd, claim, file);
  return () => {};
}
