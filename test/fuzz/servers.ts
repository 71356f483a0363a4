/** NBD servers that lie: a sound conversation in memory, with damaged, missing, repeated and invented bytes. */
import { ImageError } from '../../src/errors.js';
import type { Connect, Receiver } from '../../src/platform/net/connection.js';
import { openNbd } from '../../src/platform/net/nbd/open.js';
import {
  bytes,
  Chunk,
  Cmd,
  chunk,
  DONE,
  dataChunk,
  errorChunk,
  FIXED_NEWSTYLE,
  GREETING,
  HAS_FLAGS,
  infoBlockSize,
  infoExport,
  NO_ZEROES,
  Opt,
  optionReply,
  Rep,
  SEND_FLUSH,
  SEND_WRITE_ZEROES,
  simpleReply,
} from '../net/wire.js';
import { Random } from '../support/random.js';

const SIZE = 256 * 1024;
const GUARD = 64;
/** Turns of the event loop without a word from either side, after which the server hangs up. */
const SILENCE = 4;
/** Bytes after which the server hangs up, whatever is said. */
const ENOUGH = 4 * 1024 * 1024;

type Phase = 'flags' | 'options' | 'requests';

class LyingServer {
  #phase: Phase = 'flags';
  #structured = false;
  #inbox: Buffer = Buffer.alloc(0);
  readonly #outbox: Buffer[] = [];
  #sent = 0;
  #silent = 0;
  #over = false;

  /** @param truth one message in so many is not a lie, on average all but one */
  constructor(
    private readonly receiver: Receiver,
    private readonly random: Random,
    private readonly truth: number,
  ) {
    this.#say(GREETING, bytes([16, FIXED_NEWSTYLE | NO_ZEROES]));
    setImmediate(() => this.#deliver());
  }

  hear(chunks: readonly Uint8Array[]): void {
    this.#silent = 0;
    this.#inbox = Buffer.concat([this.#inbox, ...chunks]);
    while (!this.#over && this.#answer());
  }

  hangUp(reason = new ImageError('disconnected', 'The server closed the connection')): void {
    if (this.#over) return;
    this.#over = true;
    this.receiver.closed(reason);
  }

  /** One message; false if it is not all there. */
  #answer(): boolean {
    if (this.#phase === 'flags') {
      if (this.#take(4) === null) return false;
      this.#phase = 'options';
      return true;
    }
    return this.#phase === 'options' ? this.#answerOption() : this.#answerRequest();
  }

  #answerOption(): boolean {
    if (this.#inbox.length < 16) return false;
    const option = this.#inbox.readUInt32BE(8);
    if (this.#take(16 + this.#inbox.readUInt32BE(12)) === null) return false;
    if (option === Opt.STRUCTURED && this.random.below(4) > 0) {
      this.#structured = true;
      this.#say(optionReply(option, Rep.ACK));
    } else if (option === Opt.SET_META) {
      const context = Buffer.concat([bytes([32, 77]), Buffer.from('base:allocation')]);
      this.#say(optionReply(option, Rep.META, context), optionReply(option, Rep.ACK));
    } else if (option === Opt.GO) {
      const blocks: [number, number, number] = this.random.below(2) === 0 ? [1, 4096, 65536] : [4096, 8192, 65536];
      this.#say(infoBlockSize(...blocks));
      this.#say(infoExport(SIZE, HAS_FLAGS | SEND_FLUSH | SEND_WRITE_ZEROES), optionReply(option, Rep.ACK));
      this.#phase = 'requests';
    } else this.#say(optionReply(option, Rep.UNSUP));
    return true;
  }

  #answerRequest(): boolean {
    if (this.#inbox.length < 28) return false;
    const type = this.#inbox.readUInt16BE(6);
    const length = this.#inbox.readUInt32BE(24);
    const request = this.#take(28 + (type === Cmd.WRITE ? length : 0));
    if (request === null) return false;
    if (type === Cmd.DISC) this.hangUp();
    else this.#reply(type, request.readBigUInt64BE(8), request.readBigUInt64BE(16), length);
    return true;
  }

  #reply(type: number, cookie: bigint, offset: bigint, length: number): void {
    const { random } = this;
    if (random.below(20) === 0)
      this.#say(this.#structured ? errorChunk(cookie, DONE, 5, 'no') : simpleReply(cookie, 5));
    else if (!this.#structured)
      this.#say(simpleReply(cookie), type === Cmd.READ ? random.bytes(length) : Buffer.alloc(0));
    else if (type === Cmd.BLOCK_STATUS) {
      const half = length >> 1;
      const extents = bytes([32, 77], [32, half], [32, 0], [32, length - half], [32, 3]);
      this.#say(chunk(cookie, Chunk.STATUS, DONE, extents));
    } else if (type === Cmd.READ && length > 1) {
      const half = length >> 1;
      this.#say(dataChunk(cookie, 0, offset, random.bytes(half)));
      this.#say(chunk(cookie, Chunk.HOLE, DONE, bytes([64, offset + BigInt(half)], [32, length - half])));
    } else if (type === Cmd.READ) this.#say(dataChunk(cookie, DONE, offset, random.bytes(length)));
    else this.#say(chunk(cookie, Chunk.NONE, DONE));
  }

  #take(count: number): Buffer | null {
    if (this.#inbox.length < count) return null;
    const taken = this.#inbox.subarray(0, count);
    this.#inbox = this.#inbox.subarray(count);
    return taken;
  }

  #say(...parts: Uint8Array[]): void {
    const message = Buffer.concat(parts);
    this.#outbox.push(this.random.below(this.truth) === 0 ? this.#twisted(message) : message);
  }

  #twisted(message: Buffer): Buffer {
    const { random } = this;
    const head = Math.min(message.length, 40);
    switch (random.below(8)) {
      case 0:
        return Buffer.alloc(0);
      case 1:
        return Buffer.concat([message, message]);
      case 2:
        return message.subarray(0, random.below(message.length + 1));
      case 3:
        return Buffer.concat([message, random.bytes(random.below(100))]);
      case 4:
        return Buffer.from(random.bytes(random.below(200)));
      case 5:
        if (message.length >= 4)
          message.writeUInt32BE([0, 1, 0xffffffff, 0x7fffffff, 0x80000000][random.below(5)]!, random.below(head - 3));
        return message;
      default:
        message[random.below(head)]! ^= 1 << random.below(8);
        return message;
    }
  }

  /** Hands out what was said, in pieces; hangs up when nobody says anything any more. */
  #deliver(): void {
    if (this.#over) return;
    const next = this.#outbox.shift();
    if (next === undefined) this.#silent++;
    else this.#send(next);
    if (this.#silent > SILENCE || this.#sent > ENOUGH) this.hangUp();
    if (!this.#over) setImmediate(() => this.#deliver());
  }

  #send(message: Buffer): void {
    for (let at = 0; at < message.length && !this.#over; ) {
      try {
        const space = this.receiver.space();
        const piece = message.subarray(at, at + Math.min(space.length, 1 + this.random.below(65536)));
        space.set(piece);
        at += piece.length;
        this.#sent += piece.length;
        this.receiver.received(piece.length);
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
        this.hangUp(error);
      }
    }
  }
}

/** One conversation. Returns how far it got. */
export async function tryServer(run: number, index: number, found: (what: string) => void): Promise<string> {
  const random = new Random(run * 1_000_003 + index);
  for (let i = 0; i < 8; i++) random.next();
  const connect: Connect = async (_endpoint, receiver) => {
    const server = new LyingServer(receiver, random, 2 + random.below(12));
    return {
      send: (chunks) => server.hear(chunks),
      end: async () => server.hangUp(),
      destroy: (reason) => server.hangUp(reason),
    };
  };
  let stage = 'handshake';
  try {
    const store = await openNbd('nbd://test/', { connect, writable: true, connections: 1 });
    try {
      stage = 'extents';
      await store.extents?.(0, store.size);
      stage = 'read';
      const whole = new Uint8Array(100_000 + 2 * GUARD).fill(0xa5);
      const { size } = store;
      try {
        await store.read(random.below(Math.max(1, Math.min(size, SIZE) - 100_000)), whole.subarray(GUARD, -GUARD));
      } finally {
        const guards = [whole.subarray(0, GUARD), whole.subarray(-GUARD)];
        if (guards.some((guard) => guard.some((byte) => byte !== 0xa5))) found('a read beside its target');
      }
      stage = 'write';
      await store.write(random.below(1000), random.bytes(10_000));
      await store.zero(4096, 50_000);
      await store.flush();
      stage = 'all';
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof ImageError)) found(error instanceof Error ? (error.stack ?? String(error)) : String(error));
  }
  return `got as far as ${stage}`;
}
