/**
 * The NBD protocol's messages and numbers.
 *
 * Names and section titles are those of the specification, "The NBD protocol" (doc/proto.md of the NetworkBlockDevice
 * project); all integers are big-endian.
 */
import { fields } from '../../../bytes.js';

// --- Handshake: "Newstyle negotiation", "Fixed newstyle negotiation" --------------------------------------------

export const INIT_PASSWD = 0x4e42444d41474943n; // "NBDMAGIC"
export const IHAVEOPT = 0x49484156454f5054n; // "IHAVEOPT"
export const CLISERV_MAGIC = 0x00420281861253n; // oldstyle
export const REPLY_MAGIC = 0x3e889045565a9n; // every option reply

export const GREETING = fields('big', { password: [0, 'bits64'], style: [8, 'bits64'] });
/** What an oldstyle server sends after its greeting; 124 reserved bytes follow. */
export const OLDSTYLE_EXPORT = fields('big', { size: [0, 'bits64'], reserved: [8, 'u16'], flags: [10, 'u16'] });
/** The answer to `EXPORT_NAME`; 124 reserved bytes follow unless `NO_ZEROES` was agreed on. */
export const EXPORT = fields('big', { size: [0, 'bits64'], flags: [8, 'u16'] });
export const RESERVED_SIZE = 124;

/** In the server's flags and, with the same values, in the client's. */
export const HandshakeFlag = { FIXED_NEWSTYLE: 1 << 0, NO_ZEROES: 1 << 1 } as const;

/** "Option types". */
export const Option = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  GO: 7,
  STRUCTURED_REPLY: 8,
  SET_META_CONTEXT: 10,
  EXTENDED_HEADERS: 11,
} as const;

export const OPTION_REQUEST = fields('big', { magic: [0, 'bits64'], option: [8, 'u32'], length: [12, 'u32'] });
export const OPTION_REPLY = fields('big', {
  magic: [0, 'bits64'],
  option: [8, 'u32'],
  type: [12, 'u32'],
  length: [16, 'u32'],
});

/** "Option reply types"; those with bit 31 are errors. */
export const OptionReply = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: 0x8000_0001,
  ERR_POLICY: 0x8000_0002,
  ERR_INVALID: 0x8000_0003,
  ERR_PLATFORM: 0x8000_0004,
  ERR_TLS_REQD: 0x8000_0005,
  ERR_UNKNOWN: 0x8000_0006,
  ERR_SHUTDOWN: 0x8000_0007,
  ERR_BLOCK_SIZE_REQD: 0x8000_0008,
} as const;

/** Information types of `OptionReply.INFO`. */
export const Info = { EXPORT: 0, BLOCK_SIZE: 3 } as const;

export const INFO_EXPORT = fields('big', { type: [0, 'u16'], size: [2, 'bits64'], flags: [10, 'u16'] });
export const INFO_BLOCK_SIZE = fields('big', {
  type: [0, 'u16'],
  minimum: [2, 'u32'],
  preferred: [6, 'u32'],
  maximum: [10, 'u32'],
});

/** Names and messages are at most this long, in bytes. */
export const MAX_STRING = 4096;

// --- Transmission ------------------------------------------------------------------------------------------------

/** "Transmission flags". */
export const TransmissionFlag = {
  HAS_FLAGS: 1 << 0,
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  CAN_MULTI_CONN: 1 << 8,
} as const;

/** "Request types". */
export const Command = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;
export type Command = (typeof Command)[keyof typeof Command];

/** "Command flags". `PAYLOAD_LEN` says, with extended headers, that the length is that of a payload. */
export const CommandFlag = { NO_HOLE: 1 << 1, PAYLOAD_LEN: 1 << 5 } as const;

export const REQUEST_MAGIC = 0x25609513;
export const EXTENDED_REQUEST_MAGIC = 0x21e41c71;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;
export const EXTENDED_REPLY_MAGIC = 0x6e8a278c;

export const REQUEST = fields('big', {
  magic: [0, 'u32'],
  flags: [4, 'u16'],
  type: [6, 'u16'],
  cookie: [8, 'u64'],
  offset: [16, 'u64'],
  length: [24, 'u32'],
});
export const EXTENDED_REQUEST = fields('big', { ...REQUEST.fields, length: [24, 'u64'] });

export const SIMPLE_REPLY = fields('big', { magic: [0, 'u32'], error: [4, 'u32'], cookie: [8, 'u64'] });
/** The start, of the same size as a simple reply, of a structured or extended reply chunk. */
export const CHUNK = fields('big', { magic: [0, 'u32'], flags: [4, 'u16'], type: [6, 'u16'], cookie: [8, 'u64'] });
/** The rest of a structured reply chunk's header. */
export const CHUNK_LENGTH = fields('big', { length: [0, 'u32'] });
/** The rest of an extended reply chunk's header; `offset` is that of the request. */
export const EXTENDED_CHUNK_LENGTH = fields('big', { offset: [0, 'bits64'], length: [8, 'u64'] });

/** "Structured reply flags". */
export const ChunkFlag = { DONE: 1 << 0 } as const;

/** "Structured reply types"; those with bit 15 are errors. */
export const ChunkType = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  BLOCK_STATUS_EXT: 6,
  ERROR_BIT: 1 << 15,
} as const;

export const OFFSET_DATA = fields('big', { offset: [0, 'u64'] });
export const OFFSET_HOLE = fields('big', { offset: [0, 'u64'], length: [8, 'u32'] });
export const ERROR = fields('big', { error: [0, 'u32'], messageLength: [4, 'u16'] });
/** `ERROR_OFFSET` has the offset of the failure after its message. */
export const MAX_ERROR_PAYLOAD = ERROR.size + MAX_STRING + 8;

export const STATUS_CONTEXT = fields('big', { context: [0, 'u32'] });
export const STATUS_CONTEXT_EXT = fields('big', { context: [0, 'u32'], count: [4, 'u32'] });
export const STATUS_EXTENT = fields('big', { length: [0, 'u32'], flags: [4, 'u32'] });
/** `flags` are the low 32 of 64 bits. */
export const STATUS_EXTENT_EXT = fields('big', { length: [0, 'u64'], flags: [12, 'u32'] });
/** "Servers SHOULD NOT send more than 2^20 extents in a single reply chunk". */
export const MAX_STATUS_EXTENTS = 2 ** 20;

/** The metadata context of holes and zeroes, and its flags: no space is taken; reads as zeroes. */
export const BASE_ALLOCATION = 'base:allocation';
export const STATE_HOLE = 1 << 0;
export const STATE_ZERO = 1 << 1;

/** QEMU's metadata context for how deep in the backing chain something is allocated: 0 nowhere, 1 at the top. */
export const ALLOCATION_DEPTH = 'qemu:allocation-depth';

/** "Size constraints": what every server must take when it names no maximum, and the most that is ever sent. */
export const DEFAULT_MAX_PAYLOAD = 32 * 1024 * 1024;
export const MAX_MIN_BLOCK = 64 * 1024;
