/** Option haggling: option requests and their replies ("Fixed newstyle negotiation"). */
import { type ErrorCode, ImageError } from '../../../errors.js';
import type { Parser } from '../inbox.js';
import { printable, protocolError } from './errors.js';
import { IHAVEOPT, MAX_STRING, OPTION_REPLY, OPTION_REQUEST, Option, OptionReply, REPLY_MAGIC } from './protocol.js';

/** The server does not know the option; there may be another way. */
export const UNSUPPORTED = new ImageError('unsupported', 'The NBD server does not know the option');

export interface Reply {
  type: number;
  /** Valid until the next reply is read. */
  data: Uint8Array;
  /** `UNSUPPORTED`, the server's refusal, or null. */
  error: ImageError | null;
}

/** The longest reply that has a meaning: an export's name and description. */
const MAX_REPLY = 4 + 2 * MAX_STRING;

const OPTION_NAMES = new Map<number, string>(Object.entries(Option).map(([name, value]) => [value, name]));

/** What `qemu-img` says to each refusal. */
const REFUSALS: { readonly [type: number]: readonly [ErrorCode, (option: string) => string] } = {
  [OptionReply.ERR_POLICY]: ['denied', (option) => `Denied by server for option ${option}`],
  [OptionReply.ERR_INVALID]: ['invalid', (option) => `Invalid parameters for option ${option}`],
  [OptionReply.ERR_PLATFORM]: ['unsupported', (option) => `Server lacks support for option ${option}`],
  [OptionReply.ERR_TLS_REQD]: ['unsupported', (option) => `TLS negotiation required before option ${option}`],
  [OptionReply.ERR_UNKNOWN]: ['not-found', () => 'Requested export not available'],
  [OptionReply.ERR_SHUTDOWN]: ['disconnected', (option) => `Server shutting down before option ${option}`],
  [OptionReply.ERR_BLOCK_SIZE_REQD]: [
    'unsupported',
    (option) => `Server requires INFO_BLOCK_SIZE for option ${option}`,
  ],
};

export class OptionHaggling {
  constructor(readonly send: (bytes: Uint8Array) => void) {}

  request(option: number, data: Uint8Array): void {
    const bytes = new Uint8Array(OPTION_REQUEST.size + data.length);
    OPTION_REQUEST.write(bytes, { magic: IHAVEOPT, option, length: data.length });
    bytes.set(data, OPTION_REQUEST.size);
    this.send(bytes);
  }

  /** The next reply to `option`, the last that was requested. */
  *reply(option: number): Parser<Reply> {
    const { magic, option: answered, type, length } = OPTION_REPLY.read(yield OPTION_REPLY.size);
    if (magic !== REPLY_MAGIC) throw protocolError('bad magic in an option reply');
    if (answered !== option) throw protocolError('a reply to an option that was not requested');
    if (length > MAX_REPLY) throw protocolError(`an option reply of ${length} bytes`);
    const data = yield length;
    if (type < OptionReply.ERR_UNSUP) return { type, data, error: null };
    return { type, data, error: refusal(option, type, data) };
  }

  /** Requests an option without data; true if the server acknowledges it. */
  *agree(option: number): Parser<boolean> {
    this.request(option, new Uint8Array(0));
    const { type, data, error } = yield* this.reply(option);
    if (error !== null) return false;
    if (type !== OptionReply.ACK || data.length > 0) throw protocolError('bad acknowledgement of an option');
    return true;
  }
}

/** The error that the server's refusal of an option stands for; its own message is on a second line, as `qemu-img` has it. */
function refusal(option: number, type: number, data: Uint8Array): ImageError {
  if (type === OptionReply.ERR_UNSUP) return UNSUPPORTED;
  const numbered = `${option} (${(OPTION_NAMES.get(option) ?? 'unknown').toLowerCase().replaceAll('_', ' ')})`;
  const [code, text] = REFUSALS[type] ?? ['io', (name: string) => `Unknown error code when asking for option ${name}`];
  const message = printable(data.subarray(0, MAX_STRING));
  return new ImageError(code, text(numbered) + (message === '' ? '' : `\nserver reported: ${message}`));
}
