/**
 * The handshake: which export, and what both sides can do with it.
 *
 * Specification: "Handshake", "Option types", "Option reply types". A fixed newstyle server is asked for extended
 * headers or structured replies, for block status, and to `GO`; where it knows none of that, and for plain newstyle
 * and oldstyle servers, there is the way that they know.
 */

import { isPowerOfTwo, viewOf } from '../../../bytes.js';
import { corrupt, ImageError } from '../../../errors.js';
import type { Parser } from '../inbox.js';
import { protocolError, text } from './errors.js';
import { OptionHaggling, UNSUPPORTED } from './options.js';
import {
  BASE_ALLOCATION,
  CLISERV_MAGIC,
  EXPORT,
  GREETING,
  HandshakeFlag,
  IHAVEOPT,
  INFO_BLOCK_SIZE,
  INFO_EXPORT,
  INIT_PASSWD,
  Info,
  MAX_MIN_BLOCK,
  MAX_STRING,
  OLDSTYLE_EXPORT,
  Option,
  OptionReply,
  RESERVED_SIZE,
} from './protocol.js';

/** How requests and replies look in the transmission phase. */
export type HeaderStyle = 'simple' | 'structured' | 'extended';

/** "Size constraints" in bytes, as the server advertised them. */
export interface BlockSizes {
  minimum: number;
  preferred: number;
  maximum: number;
}

/** What the handshake found out. */
export interface ExportInfo {
  /** In bytes. */
  size: number;
  /** `TransmissionFlag`s. */
  flags: number;
  headers: HeaderStyle;
  /** The metadata context that tells data from holes: base:allocation, or what stands in for it. */
  contextName: string;
  /** Its id; null if the server does not know it. */
  allocationContext: number | null;
  /** Null if the server advertised none. */
  blockSizes: BlockSizes | null;
}

type Send = (bytes: Uint8Array) => void;

const utf8 = new TextEncoder();

/** Negotiates for the export; `name` must be at most 4096 bytes. */
export function* negotiate(send: Send, name: string, contextName = BASE_ALLOCATION): Parser<ExportInfo> {
  const greeting = GREETING.read(yield GREETING.size);
  if (greeting.password !== INIT_PASSWD) throw badMagic('initial', greeting.password);
  if (greeting.style === CLISERV_MAGIC) return yield* oldstyle(name, contextName);
  if (greeting.style !== IHAVEOPT) throw badMagic('server', greeting.style);

  const flags = viewOf(yield 2).getUint16(0) & (HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES);
  const answer = new Uint8Array(4);
  viewOf(answer).setUint32(0, flags);
  send(answer);

  const haggling = new OptionHaggling(send);
  const info: ExportInfo = {
    size: 0,
    flags: 0,
    headers: 'simple',
    contextName,
    allocationContext: null,
    blockSizes: null,
  };
  if (flags & HandshakeFlag.FIXED_NEWSTYLE && (yield* haggle(haggling, name, info))) return info;
  yield* exportName(haggling, name, info, (flags & HandshakeFlag.NO_ZEROES) === 0);
  return info;
}

/** Fixed newstyle: true if the export is there to be used, false if it has yet to be asked for by `EXPORT_NAME`. */
function* haggle(haggling: OptionHaggling, name: string, info: ExportInfo): Parser<boolean> {
  try {
    info.headers = yield* chooseHeaders(haggling);
    if (info.headers !== 'simple') info.allocationContext = yield* selectContext(haggling, name, info.contextName);
    if (yield* go(haggling, name, info)) return true;
    yield* expectListed(haggling, name);
    return false;
  } catch (error) {
    haggling.request(Option.ABORT, new Uint8Array(0));
    throw error;
  }
}

function badMagic(which: string, magic: bigint): ImageError {
  return new ImageError('io', `Bad ${which} magic received: 0x${magic.toString(16)}`);
}

function checkedSize(size: bigint): number {
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt(`Export size ${size} is too large`);
  return Number(size);
}

function* oldstyle(name: string, contextName: string): Parser<ExportInfo> {
  if (name !== '') throw new ImageError('not-found', 'Server does not support non-empty export names');
  const { size, flags } = OLDSTYLE_EXPORT.read(yield OLDSTYLE_EXPORT.size);
  yield RESERVED_SIZE;
  return { size: checkedSize(size), flags, headers: 'simple', contextName, allocationContext: null, blockSizes: null };
}

function* chooseHeaders(haggling: OptionHaggling): Parser<HeaderStyle> {
  if (yield* haggling.agree(Option.EXTENDED_HEADERS)) return 'extended';
  return (yield* haggling.agree(Option.STRUCTURED_REPLY)) ? 'structured' : 'simple';
}

/** A string with its length before it. */
function counted(text: string): Uint8Array {
  const bytes = utf8.encode(text);
  const whole = new Uint8Array(4 + bytes.length);
  viewOf(whole).setUint32(0, bytes.length);
  whole.set(bytes, 4);
  return whole;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Asks for block status by a context; a server that refuses just has none. */
function* selectContext(haggling: OptionHaggling, name: string, context: string): Parser<number | null> {
  const one = new Uint8Array([0, 0, 0, 1]);
  haggling.request(Option.SET_META_CONTEXT, joined(counted(name), one, counted(context)));
  let id: number | null = null;
  for (;;) {
    const reply = yield* haggling.reply(Option.SET_META_CONTEXT);
    if (reply.error !== null || reply.type === OptionReply.ACK) return id;
    if (reply.type !== OptionReply.META_CONTEXT || reply.data.length < 4 || id !== null)
      throw protocolError('bad reply to SET_META_CONTEXT');
    if (text(reply.data.subarray(4)) !== context) throw protocolError('a metadata context that was not asked for');
    id = viewOf(reply.data).getUint32(0);
  }
}

/** `GO`. False if the server does not know this option; throws if it refuses the export. */
function* go(haggling: OptionHaggling, name: string, info: ExportInfo): Parser<boolean> {
  const wanted = new Uint8Array(4);
  viewOf(wanted).setUint16(0, 1);
  viewOf(wanted).setUint16(2, Info.BLOCK_SIZE);
  haggling.request(Option.GO, joined(counted(name), wanted));
  let known = false;
  for (;;) {
    const reply = yield* haggling.reply(Option.GO);
    if (reply.error === UNSUPPORTED) return false;
    if (reply.error !== null) throw reply.error;
    if (reply.type === OptionReply.ACK) {
      if (!known) throw protocolError('the server omitted the size of the export');
      return true;
    }
    if (reply.type !== OptionReply.INFO || reply.data.length < 2) throw protocolError('bad reply to GO');
    known = takeInfo(reply.data, info) || known;
  }
}

/** Takes over one piece of information; true if it was the mandatory one. */
function takeInfo(data: Uint8Array, info: ExportInfo): boolean {
  const type = viewOf(data).getUint16(0);
  if (type === Info.EXPORT) {
    if (data.length !== INFO_EXPORT.size) throw protocolError('export information of wrong length');
    const { size, flags } = INFO_EXPORT.read(data);
    info.size = checkedSize(size);
    info.flags = flags;
    return true;
  }
  if (type === Info.BLOCK_SIZE) {
    if (data.length !== INFO_BLOCK_SIZE.size) throw protocolError('block size information of wrong length');
    info.blockSizes = checkedBlockSizes(INFO_BLOCK_SIZE.read(data));
  }
  return false;
}

function checkedBlockSizes({ minimum, preferred, maximum }: BlockSizes): BlockSizes {
  if (!isPowerOfTwo(minimum) || minimum > MAX_MIN_BLOCK)
    throw new ImageError('io', `server minimum block size ${minimum} is not valid`);
  if (!isPowerOfTwo(preferred) || preferred < minimum)
    throw new ImageError('io', `server preferred block size ${preferred} is not valid`);
  if (maximum < minimum) throw new ImageError('io', `server maximum block size ${maximum} is not valid`);
  return { minimum, preferred, maximum };
}

/** `EXPORT_NAME` cannot say no but by closing the connection, so look first whether the export is in the server's list. */
function* expectListed(haggling: OptionHaggling, name: string): Parser<void> {
  haggling.request(Option.LIST, new Uint8Array(0));
  let empty = true;
  let found = false;
  for (;;) {
    const reply = yield* haggling.reply(Option.LIST);
    if (reply.error !== null && reply.error !== UNSUPPORTED) throw reply.error;
    // An empty list and no list at all cannot be told apart in all servers: try the export then.
    if (reply.error === UNSUPPORTED || reply.type === OptionReply.ACK) break;
    empty = false;
    found ||= listedName(reply.type, reply.data) === name;
  }
  if (!empty && !found) throw new ImageError('not-found', `No export with name '${name}' available`);
}

function listedName(type: number, data: Uint8Array): string {
  const length = data.length >= 4 ? viewOf(data).getUint32(0) : MAX_STRING + 1;
  if (type !== OptionReply.SERVER || length > MAX_STRING || length > data.length - 4)
    throw protocolError('bad reply to LIST');
  return text(data.subarray(4, 4 + length));
}

/** The oldest way to ask for an export by name. */
function* exportName(haggling: OptionHaggling, name: string, info: ExportInfo, zeroes: boolean): Parser<void> {
  haggling.request(Option.EXPORT_NAME, utf8.encode(name));
  const { size, flags } = EXPORT.read(yield EXPORT.size);
  info.size = checkedSize(size);
  info.flags = flags;
  if (zeroes) yield RESERVED_SIZE;
}
