/**
 * The transmission phase over one connection: any number of requests in flight, told apart by their cookies.
 *
 * Specification: "Transmission", "Request types", "Structured reply types". A request is sent at once; replies come in
 * any order, a reply may come in several chunks, and the chunks of different replies may be mixed. Data is put where
 * the request wants it while it arrives. A server that breaks the protocol is not spoken to again: the connection is
 * closed and every request in flight fails.
 */
import { ImageError } from '../../../errors.js';
import type { Connection } from '../connection.js';
import type { Inbox, Parser } from '../inbox.js';
import { ESHUTDOWN, protocolError, RequestError } from './errors.js';
import type { ExportInfo } from './handshake.js';
import {
  Command,
  CommandFlag,
  EXTENDED_REPLY_MAGIC,
  EXTENDED_REQUEST,
  EXTENDED_REQUEST_MAGIC,
  REQUEST,
  REQUEST_MAGIC,
  SIMPLE_REPLY,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './protocol.js';
import { type BlockExtent, type PendingReply, receiveChunk } from './reply.js';

/** A request in flight. */
interface InFlight extends PendingReply {
  resolve(): void;
  reject(reason: ImageError): void;
}

const NOTHING = new Uint8Array(0);

/** A request's share of its connection's load. */
function weight({ command, length }: Pick<PendingReply, 'command' | 'length'>): number {
  return 1 + (command === Command.READ || command === Command.WRITE ? length : 0);
}

export class Transmission {
  readonly #inFlight = new Map<number, InFlight>();
  #cookie = 0;
  #load = 0;
  #reason: ImageError | null = null;

  /** Settles, with the reason, when the connection has broken. */
  readonly ended: Promise<ImageError>;

  /** Takes over a connection whose handshake is done. */
  constructor(
    readonly info: ExportInfo,
    readonly connection: Connection,
    inbox: Inbox,
  ) {
    this.ended = inbox.run(this.#replies()).catch((reason: ImageError) => {
      this.destroy(reason);
      return reason;
    });
  }

  /** Why requests are not possible any more; null while they are. */
  get reason(): ImageError | null {
    return this.#reason;
  }

  /** How busy the connection is: the bytes of data of the requests in flight, and one for each request. */
  get load(): number {
    return this.#load;
  }

  /** Fills `into`, at most the maximum payload size, from `offset`. */
  read(offset: number, into: Uint8Array): Promise<void> {
    const pending = { command: Command.READ, offset, length: into.length, into };
    return this.#request(pending, 0, NOTHING);
  }

  /** Writes `bytes`, at most the maximum payload size; they must not change until this is done. */
  write(offset: number, bytes: Uint8Array): Promise<void> {
    const flags = this.info.headers === 'extended' ? CommandFlag.PAYLOAD_LEN : 0;
    return this.#request({ command: Command.WRITE, offset, length: bytes.length }, flags, bytes);
  }

  /** Zeroes a range that is shorter than 4 GiB. `noHole`: it must stay allocated. */
  writeZeroes(offset: number, length: number, noHole: boolean): Promise<void> {
    const flags = noHole ? CommandFlag.NO_HOLE : 0;
    return this.#request({ command: Command.WRITE_ZEROES, offset, length }, flags, NOTHING);
  }

  /** Says that a range, shorter than 4 GiB, is not needed any more. */
  trim(offset: number, length: number): Promise<void> {
    return this.#request({ command: Command.TRIM, offset, length }, 0, NOTHING);
  }

  flush(): Promise<void> {
    return this.#request({ command: Command.FLUSH, offset: 0, length: 0 }, 0, NOTHING);
  }

  /** What base:allocation says from `offset` on: at least one extent, up to `length` bytes (below 4 GiB) or more. */
  async blockStatus(offset: number, length: number): Promise<readonly BlockExtent[]> {
    const pending = { command: Command.BLOCK_STATUS, offset, length, extents: [] as BlockExtent[] };
    await this.#request(pending, 0, NOTHING);
    if (pending.extents.length === 0) throw this.#violation('a block status reply without extents');
    return pending.extents;
  }

  /** Tells the server, and closes. Requests in flight fail. */
  async close(): Promise<void> {
    if (this.#reason === null) {
      this.#end(new ImageError('disconnected', 'The NBD connection is closed'));
      this.#send(Command.DISC, 0, 0, 0, 0, NOTHING);
    }
    await this.connection.end();
  }

  /** Breaks the connection; requests in flight fail with `reason`. */
  destroy(reason: ImageError): void {
    this.#end(reason);
    this.connection.destroy(reason);
  }

  #request(request: Omit<PendingReply, 'arrived' | 'error'>, flags: number, payload: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#reason !== null) return reject(this.#reason);
      const cookie = ++this.#cookie;
      this.#inFlight.set(cookie, Object.assign(request, { arrived: 0, error: null, resolve, reject }));
      this.#load += weight(request);
      this.#send(request.command, flags, cookie, request.offset, request.length, payload);
    });
  }

  #send(type: Command, flags: number, cookie: number, offset: number, length: number, payload: Uint8Array): void {
    const extended = this.info.headers === 'extended';
    const table = extended ? EXTENDED_REQUEST : REQUEST;
    const header = new Uint8Array(table.size);
    const magic = extended ? EXTENDED_REQUEST_MAGIC : REQUEST_MAGIC;
    table.write(header, { magic, flags, type, cookie, offset, length });
    this.connection.send(payload.length === 0 ? [header] : [header, payload]);
  }

  /** Parses replies until the connection ends. */
  *#replies(): Parser<never> {
    const chunkMagic = this.info.headers === 'extended' ? EXTENDED_REPLY_MAGIC : STRUCTURED_REPLY_MAGIC;
    for (;;) {
      const start = yield SIMPLE_REPLY.size;
      const { magic, error, cookie } = SIMPLE_REPLY.read(start);
      const pending = this.#inFlight.get(cookie);
      if (pending === undefined) throw protocolError('a reply to no request');
      let done = true;
      if (magic === SIMPLE_REPLY_MAGIC) yield* this.#simpleReply(pending, error);
      else if (magic === chunkMagic && this.info.headers !== 'simple')
        done = yield* receiveChunk(pending, start, this.info);
      else throw protocolError(`bad magic 0x${magic.toString(16)} in a reply`);
      if (done) this.#complete(cookie, pending);
    }
  }

  *#simpleReply(pending: InFlight, error: number): Parser<void> {
    const structured = this.info.headers !== 'simple';
    if (structured && (pending.command === Command.READ || this.info.headers === 'extended'))
      throw protocolError('a simple reply where a structured one was agreed on');
    if (error !== 0) pending.error = new RequestError(error);
    else if (pending.into !== undefined) {
      yield pending.into;
      pending.arrived = pending.length;
    }
  }

  #complete(cookie: number, pending: InFlight): void {
    if (pending.error === null && pending.into !== undefined && pending.arrived !== pending.length)
      throw protocolError('a read reply that does not cover the range');
    this.#inFlight.delete(cookie);
    this.#load -= weight(pending);
    if (pending.error === null) pending.resolve();
    else pending.reject(pending.error);
    // "If the client receives an ESHUTDOWN error it MUST initiate a soft disconnect."
    if (pending.error instanceof RequestError && pending.error.value === ESHUTDOWN) void this.close();
  }

  #violation(what: string): ImageError {
    const error = protocolError(what);
    this.destroy(error);
    return error;
  }

  #end(reason: ImageError): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    for (const pending of this.#inFlight.values()) pending.reject(reason);
    this.#inFlight.clear();
    this.#load = 0;
  }
}
