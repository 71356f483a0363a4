/** The server's side of NBD, message by message, for fake servers. */
import type { Client } from './servers.js';

/** Big-endian integers, one after the other: `[bits, value]`. */
export function bytes(...values: [bits: 8 | 16 | 32 | 64, value: number | bigint][]): Buffer {
  return Buffer.concat(
    values.map(([bits, value]) =>
      Buffer.from(
        BigInt(value)
          .toString(16)
          .padStart(bits / 4, '0'),
        'hex',
      ),
    ),
  );
}

export const GREETING = bytes([64, 0x4e42444d41474943n], [64, 0x49484156454f5054n]);
export const FIXED_NEWSTYLE = 1;
export const NO_ZEROES = 2;

export const HAS_FLAGS = 1;
export const SEND_FLUSH = 1 << 2;
export const SEND_WRITE_ZEROES = 1 << 6;
export const CAN_MULTI_CONN = 1 << 8;

/** Options and replies to them. */
export const Opt = { EXPORT_NAME: 1, ABORT: 2, LIST: 3, GO: 7, STRUCTURED: 8, SET_META: 10, EXTENDED: 11 } as const;
export const Rep = { ACK: 1, SERVER: 2, INFO: 3, META: 4, UNSUP: 0x80000001 } as const;

export function optionReply(option: number, type: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([bytes([64, 0x3e889045565a9n], [32, option], [32, type], [32, data.length]), data]);
}

export function infoExport(size: number | bigint, flags: number): Buffer {
  return optionReply(Opt.GO, Rep.INFO, bytes([16, 0], [64, size], [16, flags]));
}

export function infoBlockSize(minimum: number, preferred: number, maximum: number): Buffer {
  return optionReply(Opt.GO, Rep.INFO, bytes([16, 3], [32, minimum], [32, preferred], [32, maximum]));
}

export async function takeOption(client: Client): Promise<{ option: number; data: Buffer }> {
  const header = await client.take(16);
  return { option: header.readUInt32BE(8), data: await client.take(header.readUInt32BE(12)) };
}

export interface HandshakeSettings {
  size: number | bigint;
  flags: number;
  structured: boolean;
  /** Blocks as [minimum, preferred, maximum]. */
  blocks: [number, number, number] | null;
}

/** A whole fixed newstyle handshake that grants what is asked for. The metadata context's id is 77. */
export async function greet(client: Client, settings: Partial<HandshakeSettings> = {}): Promise<void> {
  const { size = 1 << 20, flags = HAS_FLAGS, structured = true, blocks = null } = settings;
  client.send(GREETING, bytes([16, FIXED_NEWSTYLE | NO_ZEROES]));
  await client.take(4);
  for (;;) {
    const { option } = await takeOption(client);
    if (option === Opt.GO) break;
    if (option === Opt.STRUCTURED && structured) client.send(optionReply(option, Rep.ACK));
    else if (option === Opt.SET_META)
      client.send(
        optionReply(option, Rep.META, Buffer.concat([bytes([32, 77]), Buffer.from('base:allocation')])),
        optionReply(option, Rep.ACK),
      );
    else client.send(optionReply(option, Rep.UNSUP));
  }
  if (blocks !== null) client.send(infoBlockSize(...blocks));
  client.send(infoExport(size, flags), optionReply(Opt.GO, Rep.ACK));
}

export interface Request {
  flags: number;
  type: number;
  cookie: bigint;
  offset: bigint;
  length: number;
}

export async function takeRequest(client: Client): Promise<Request> {
  const header = await client.take(28);
  return {
    flags: header.readUInt16BE(4),
    type: header.readUInt16BE(6),
    cookie: header.readBigUInt64BE(8),
    offset: header.readBigUInt64BE(16),
    length: header.readUInt32BE(24),
  };
}

export const Cmd = { READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, TRIM: 4, WRITE_ZEROES: 6, BLOCK_STATUS: 7 } as const;
export const Chunk = { NONE: 0, DATA: 1, HOLE: 2, STATUS: 5, ERROR: 0x8001, ERROR_OFFSET: 0x8002 } as const;
export const DONE = 1;

export function simpleReply(cookie: bigint, error = 0): Buffer {
  return bytes([32, 0x67446698], [32, error], [64, cookie]);
}

export function chunk(cookie: bigint, type: number, flags: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = bytes([32, 0x668e33ef], [16, flags], [16, type], [64, cookie], [32, payload.length]);
  return Buffer.concat([header, payload]);
}

export function dataChunk(cookie: bigint, flags: number, offset: number | bigint, data: Uint8Array): Buffer {
  return chunk(cookie, Chunk.DATA, flags, Buffer.concat([bytes([64, offset]), data]));
}

export function errorChunk(cookie: bigint, flags: number, error: number, message = ''): Buffer {
  const text = Buffer.from(message);
  return chunk(cookie, Chunk.ERROR, flags, Buffer.concat([bytes([32, error], [16, text.length]), text]));
}
