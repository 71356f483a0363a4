/** What a server may do wrong: which faults end the connection, and which only a request. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NbdStore } from '../../src/platform/net/nbd/store.js';
import { openNbd } from '../../src/platform/node/nbd.js';
import { type Client, type Script, Servers } from './servers.js';
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
  greet,
  HAS_FLAGS,
  type HandshakeSettings,
  infoBlockSize,
  infoExport,
  NO_ZEROES,
  Opt,
  optionReply,
  Rep,
  type Request,
  SEND_FLUSH,
  SEND_WRITE_ZEROES,
  simpleReply,
  takeOption,
  takeRequest,
} from './wire.js';

const SIZE = 1 << 20;

let servers: Servers;
let stores: NbdStore[];

beforeEach(() => {
  servers = new Servers();
  stores = [];
});

afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await servers.stop();
});

/** A store on a server that grants the handshake and then does as `script` says. */
async function opened(script: Script, settings?: Partial<HandshakeSettings>): Promise<NbdStore> {
  const uri = await servers.fake(async (client) => {
    await greet(client, settings);
    await script(client);
  });
  const store = await openNbd(uri, { connections: 1 });
  stores.push(store);
  return store;
}

/** The answer to a read of 512 bytes at offset 0; after it, if it is not fatal, the server answers correctly. */
type Answer = (cookie: bigint, client: Client) => void;

const sector = (value: number) => new Uint8Array(512).fill(value);
const status = (id: number, ...extents: [length: number, flags: number][]) =>
  Buffer.concat([bytes([32, id]), ...extents.map(([length, flags]) => bytes([32, length], [32, flags]))]);

function answering(first: Answer): Script {
  return async (client) => {
    first((await takeRequest(client)).cookie, client);
    for (;;) {
      const { cookie, type, offset } = await takeRequest(client);
      if (type === Cmd.READ) client.send(dataChunk(cookie, DONE, offset, sector(9)));
    }
  };
}

const HARMLESS: [what: string, answer: Answer][] = [
  ['one chunk', (cookie, client) => client.send(dataChunk(cookie, DONE, 0, sector(1)))],
  [
    'chunks in any order, and the end by itself',
    (cookie, client) =>
      client.send(
        dataChunk(cookie, 0, 256, sector(1).subarray(256)),
        dataChunk(cookie, 0, 0, sector(1).subarray(256)),
        chunk(cookie, Chunk.NONE, DONE),
      ),
  ],
  ['unknown chunk flags', (cookie, client) => client.send(dataChunk(cookie, DONE | 0x80, 0, sector(1)))],
  [
    'a reply that arrives byte by byte',
    async (cookie, client) => {
      for (const byte of dataChunk(cookie, DONE, 0, sector(1))) {
        client.send(new Uint8Array([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  ],
];

describe('replies that are right, if unusual', () => {
  it.each(HARMLESS)('%s', async (_, answer) => {
    const store = await opened(answering(answer));
    const into = new Uint8Array(512);
    await store.read(0, into);
    expect(into).toEqual(sector(1));
  });

  it('a hole inside data reads as zeroes', async () => {
    const store = await opened(
      answering((cookie, client) =>
        client.send(
          dataChunk(cookie, 0, 0, new Uint8Array(100).fill(1)),
          chunk(cookie, Chunk.HOLE, DONE, bytes([64, 100], [32, 412])),
        ),
      ),
    );
    const into = sector(7);
    await store.read(0, into);
    expect(into).toEqual(Uint8Array.from({ length: 512 }, (_, at) => (at < 100 ? 1 : 0)));
  });
});

const REFUSED: [what: string, answer: Answer, code: string, message: string][] = [
  ['an error chunk', (cookie, client) => client.send(errorChunk(cookie, DONE, 5)), 'io', 'Input/output error'],
  [
    'an unknown error value',
    (cookie, client) => client.send(errorChunk(cookie, DONE, 77)),
    'invalid',
    'Invalid argument',
  ],
  [
    'EOVERFLOW',
    (cookie, client) => client.send(errorChunk(cookie, DONE, 75)),
    'io',
    'Value too large for defined data type',
  ],
  ['ENOTSUP', (cookie, client) => client.send(errorChunk(cookie, DONE, 95)), 'unsupported', 'Operation not supported'],
  [
    'an error with an offset, after data',
    (cookie, client) =>
      client.send(
        dataChunk(cookie, 0, 0, sector(1)),
        chunk(cookie, Chunk.ERROR_OFFSET, 0, bytes([32, 5], [16, 0], [64, 100])),
        chunk(cookie, Chunk.NONE, DONE),
      ),
    'io',
    'Input/output error',
  ],
  [
    'an unknown kind of error chunk',
    (cookie, client) => client.send(chunk(cookie, 0x8123, DONE, bytes([32, 28], [16, 0]))),
    'no-space',
    'No space left on device',
  ],
];

describe('errors that end a request only', () => {
  it.each(REFUSED)('%s', async (_, answer, code, message) => {
    const store = await opened(answering(answer));
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ code, message });
    const into = new Uint8Array(512);
    await store.read(0, into);
    expect(into).toEqual(sector(9));
  });

  it('keep the message of the server as their cause, fit for a terminal', async () => {
    const store = await opened(
      answering((cookie, client) => client.send(errorChunk(cookie, DONE, 5, 'bad \u001b[2J disk'))),
    );
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ cause: 'bad ?[2J disk' });
  });
});

const FATAL: [what: string, answer: Answer][] = [
  ['a wrong magic', (cookie, client) => client.send(bytes([32, 0x12345678], [32, 0], [64, cookie], [64, 0]))],
  ['a cookie of no request', (cookie, client) => client.send(dataChunk(cookie + 1n, DONE, 0, sector(1)))],
  ['a cookie beyond every counter', (_, client) => client.send(dataChunk(2n ** 64n - 1n, DONE, 0, sector(1)))],
  ['a simple reply to a structured read', (cookie, client) => client.send(simpleReply(cookie), sector(1))],
  ['data beyond the range', (cookie, client) => client.send(dataChunk(cookie, DONE, 1, sector(1)))],
  ['data before the range', (cookie, client) => client.send(dataChunk(cookie, DONE, 2n ** 53n - 1n, sector(1)))],
  ['more data than was asked for', (cookie, client) => client.send(dataChunk(cookie, DONE, 0, new Uint8Array(513)))],
  [
    'a data chunk that claims 4 GiB',
    (cookie, client) => client.send(bytes([32, 0x668e33ef], [16, 1], [16, 1], [64, cookie], [32, 0xffffffff], [64, 0])),
  ],
  ['a data chunk without data', (cookie, client) => client.send(dataChunk(cookie, DONE, 0, new Uint8Array(0)))],
  ['less data than was asked for', (cookie, client) => client.send(dataChunk(cookie, DONE, 0, new Uint8Array(511)))],
  [
    'the same data twice',
    (cookie, client) => client.send(dataChunk(cookie, 0, 0, sector(1)), dataChunk(cookie, DONE, 0, sector(1))),
  ],
  ['success without data', (cookie, client) => client.send(chunk(cookie, Chunk.NONE, DONE))],
  ['an end that is not one', (cookie, client) => client.send(chunk(cookie, Chunk.NONE, 0))],
  ['an end with a payload', (cookie, client) => client.send(chunk(cookie, Chunk.NONE, DONE, sector(0)))],
  [
    'a hole of the wrong length',
    (cookie, client) => client.send(chunk(cookie, Chunk.HOLE, DONE, bytes([64, 0], [64, 512]))),
  ],
  ['an empty hole', (cookie, client) => client.send(chunk(cookie, Chunk.HOLE, DONE, bytes([64, 0], [32, 0])))],
  [
    'a hole beyond the range',
    (cookie, client) => client.send(chunk(cookie, Chunk.HOLE, DONE, bytes([64, 0], [32, 513]))),
  ],
  ['an unknown chunk', (cookie, client) => client.send(chunk(cookie, 3, DONE, bytes([64, 0], [32, 512])))],
  [
    'block status instead of data',
    (cookie, client) => client.send(chunk(cookie, Chunk.STATUS, DONE, status(77, [512, 0]))),
  ],
  ['an error that is none', (cookie, client) => client.send(errorChunk(cookie, DONE, 0))],
  [
    'an error message longer than its chunk',
    (cookie, client) => client.send(chunk(cookie, Chunk.ERROR, DONE, bytes([32, 5], [16, 9]))),
  ],
  [
    'an error chunk of a megabyte',
    (cookie, client) => client.send(chunk(cookie, Chunk.ERROR, DONE, new Uint8Array(SIZE))),
  ],
];

describe('faults that end the connection', () => {
  it.each(FATAL)('%s', async (_, answer) => {
    let ended = false;
    const store = await opened(async (client) => {
      client.socket.on('close', () => {
        ended = true;
      });
      const { cookie } = await takeRequest(client);
      await takeRequest(client);
      answer(cookie, client);
    });
    const reads = await Promise.allSettled([store.read(0, new Uint8Array(512)), store.read(512, new Uint8Array(512))]);
    expect(reads.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const { code } = (reads[0] as PromiseRejectedResult).reason;
    expect(['io', 'corrupt']).toContain(code);
    // The request that the server did nothing wrong with fails for the same reason, and so does the next.
    expect(reads[1]).toMatchObject({ reason: { code } });
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ code });
    await expect.poll(() => ended).toBe(true);
  });

  it('the end of the server in the middle of a payload', async () => {
    const store = await opened(async (client) => {
      const { cookie } = await takeRequest(client);
      client.send(dataChunk(cookie, DONE, 0, sector(1)).subarray(0, 200));
      client.socket.end();
    });
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'disconnected' });
  });

  it('a shutdown that the server announces', async () => {
    let goodbye: Request | undefined;
    const store = await opened(async (client) => {
      client.send(errorChunk((await takeRequest(client)).cookie, DONE, 108));
      goodbye = await takeRequest(client);
    });
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'disconnected' });
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'disconnected' });
    await expect.poll(() => goodbye?.type).toBe(Cmd.DISC);
  });

  it('a shutdown, after which the server is back before the reconnect delay is over', async () => {
    let clients = 0;
    const uri = await servers.fake(async (client) => {
      await greet(client);
      const refuses = ++clients === 1;
      for (;;) {
        const { cookie } = await takeRequest(client);
        client.send(refuses ? errorChunk(cookie, DONE, 108) : dataChunk(cookie, DONE, 0, sector(3)));
      }
    });
    const store = await openNbd(uri, { reconnectDelay: 30 });
    stores.push(store);
    const into = new Uint8Array(512);
    await store.read(0, into);
    expect([clients, into]).toEqual([2, sector(3)]);
  });

  it('bytes that were not asked for', async () => {
    const store = await opened(async (client) => {
      client.send(new Uint8Array(1 << 20));
    });
    await expect(store.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'io' });
  });
});

const BAD_STATUS: [what: string, payload: Uint8Array][] = [
  ['another context', status(78, [512, 0])],
  ['no extents', status(77)],
  ['half an extent', Buffer.concat([status(77, [512, 0]), bytes([32, 1])])],
  ['an extent of length zero', status(77, [0, 0])],
];

describe('block status', () => {
  const statusServer =
    (payload: Uint8Array): Script =>
    async (client) => {
      for (;;) client.send(chunk((await takeRequest(client)).cookie, Chunk.STATUS, DONE, payload));
    };

  it('only what reads as zeroes is a hole; the rest beyond the range is cut off', async () => {
    const store = await opened(statusServer(status(77, [100, 3], [100, 1], [100, 0], [100, 2], [1 << 30, 0xfe])));
    expect(await store.extents!(1000, 450)).toEqual([
      { start: 1000, length: 100, hole: true, stored: false },
      { start: 1100, length: 100, hole: false, stored: false },
      { start: 1200, length: 100, hole: false, stored: true },
      { start: 1300, length: 150, hole: true, stored: true },
    ]);
  });

  it('may be shorter than the question', async () => {
    const store = await opened(statusServer(status(77, [1, 3])));
    expect(await store.extents!(1000, 450)).toEqual([{ start: 1000, length: 1, hole: true, stored: false }]);
  });

  it('that ends before the question begins, in an unaligned server, counts as data', async () => {
    const store = await opened(statusServer(status(77, [16, 3])), { blocks: [512, 512, 1 << 20] });
    expect(await store.extents!(100, 5000)).toEqual([{ start: 100, length: 512, hole: false }]);
  });

  it('of a million extents is taken in part', async () => {
    const pair = bytes([32, 1], [32, 3], [32, 1], [32, 0]);
    const store = await opened(statusServer(Buffer.concat([bytes([32, 77]), Buffer.alloc(8 << 20, pair)])));
    expect(await store.extents!(0, SIZE)).toHaveLength(1 << 16);
  });

  it.each(BAD_STATUS)('with %s ends the connection', async (_, payload) => {
    const store = await opened(statusServer(payload));
    await expect(store.extents!(0, 512)).rejects.toMatchObject({ code: 'io' });
    await expect(store.extents!(0, 512)).rejects.toMatchObject({ code: 'io' });
  });

  it('that never comes, though the server claims success, ends the connection', async () => {
    const store = await opened(async (client) => {
      client.send(simpleReply((await takeRequest(client)).cookie));
    });
    await expect(store.extents!(0, 512)).rejects.toMatchObject({ code: 'io' });
    await expect(store.extents!(0, 512)).rejects.toMatchObject({ code: 'io' });
  });

  it('is not asked for when the server refuses it', async () => {
    const store = await opened(async () => undefined, { structured: false });
    expect(store.extents).toBeUndefined();
  });
});

describe('large requests', () => {
  /** Answers every request without data with `error(length)`, and notes the lengths. */
  async function zeroing(error: (length: number) => number): Promise<{ store: NbdStore; lengths: number[] }> {
    const lengths: number[] = [];
    const settings = { size: 2 ** 40, flags: HAS_FLAGS | SEND_WRITE_ZEROES };
    const store = await opened(async (client) => {
      for (;;) {
        const { cookie, length } = await takeRequest(client);
        lengths.push(length);
        client.send(simpleReply(cookie, error(length)));
      }
    }, settings);
    return { store, lengths };
  }

  it('to zero are made smaller when the server finds them too large', async () => {
    const { store, lengths } = await zeroing((length) => (length > 32 << 20 ? 75 : 0));
    await store.zero(0, 1 << 30);
    await store.zero(1 << 30, 64 << 20);
    expect(lengths).toEqual([1 << 30, ...Array.from({ length: 34 }, () => 32 << 20)]);
  });

  it('to zero fail when small ones do', async () => {
    const { store } = await zeroing(() => 28);
    await expect(store.zero(0, 1 << 30)).rejects.toMatchObject({ code: 'no-space' });
  });

  it('to read are cut at the largest whole preferred block that the maximum has room for', async () => {
    const lengths: number[] = [];
    const store = await opened(
      async (client) => {
        for (;;) {
          const { cookie, offset, length } = await takeRequest(client);
          lengths.push(length);
          client.send(dataChunk(cookie, DONE, offset, new Uint8Array(length)));
        }
      },
      { blocks: [512, 4096, 10_000] },
    );
    await store.read(512, new Uint8Array(20_480));
    expect(lengths.sort((a, b) => a - b)).toEqual([4096, 8192, 8192]);
  });

  it.each([
    [10_000, 256],
    [1000 * 1024, 768],
    [32 * 1024 * 1024, 4096],
  ])('are best as multiples of 256 KiB, also where the server takes %i bytes at once', async (maximum, kib) => {
    const store = await opened(async () => {}, { blocks: [512, 4096, maximum] });
    expect(store.transfer).toBe(kib * 1024);
  });
});

describe('a server without structured replies', () => {
  it('may answer in any order', async () => {
    const store = await opened(
      async (client) => {
        const requests = [await takeRequest(client), await takeRequest(client)];
        for (const { cookie, offset } of requests.reverse())
          client.send(simpleReply(cookie), sector(Number(offset) / 512));
      },
      { structured: false },
    );
    const buffers = [sector(0), sector(0)];
    await Promise.all([store.read(512, buffers[0]!), store.read(1024, buffers[1]!)]);
    expect(buffers).toEqual([sector(1), sector(2)]);
  });

  it('is flushed only if it knows how', async () => {
    const types: number[] = [];
    const script: Script = async (client) => {
      for (;;) {
        const { cookie, type } = await takeRequest(client);
        types.push(type);
        client.send(simpleReply(cookie));
      }
    };
    await (await opened(script, { structured: false })).flush();
    expect(types).toEqual([]);
    await (await opened(script, { structured: false, flags: HAS_FLAGS | SEND_FLUSH })).flush();
    expect(types).toEqual([Cmd.FLUSH]);
  });
});

/** After the greeting: answers options up to `GO`, then sends this. */
function atGo(...answer: Uint8Array[]): Script {
  return async (client) => {
    client.send(GREETING, bytes([16, FIXED_NEWSTYLE | NO_ZEROES]));
    await client.take(4);
    for (;;) {
      const { option } = await takeOption(client);
      if (option === Opt.GO) return client.send(...answer);
      client.send(optionReply(option, Rep.UNSUP));
    }
  };
}

const ack = optionReply(Opt.GO, Rep.ACK);
const sends =
  (...answer: Uint8Array[]): Script =>
  async (client) =>
    client.send(...answer);

const BAD_HANDSHAKES: [what: string, script: Script, code: string, message: RegExp][] = [
  [
    'another protocol',
    sends(Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')),
    'io',
    /^Bad initial magic received: 0x5353482d322e302d$/,
  ],
  ['an unknown style', sends(GREETING.subarray(0, 8), bytes([64, 1])), 'io', /^Bad server magic received: 0x1$/],
  [
    'a server that hangs up',
    async (client) => void client.socket.end(),
    'disconnected',
    /^The server closed the connection$/,
  ],
  ['a reply with a bad magic', atGo(bytes([64, 1], [64, 0], [32, 0])), 'io', /bad magic in an option reply$/],
  [
    'a reply to another option',
    atGo(optionReply(Opt.LIST, Rep.ACK)),
    'io',
    /a reply to an option that was not requested$/,
  ],
  [
    'a reply that claims 4 GiB',
    atGo(bytes([64, 0x3e889045565a9n], [32, Opt.GO], [32, Rep.INFO], [32, 0xffffffff])),
    'io',
    /an option reply of 4294967295 bytes$/,
  ],
  ['consent without a size', atGo(ack), 'io', /omitted the size of the export$/],
  [
    'information of wrong length',
    atGo(optionReply(Opt.GO, Rep.INFO, bytes([16, 0], [32, 5])), ack),
    'io',
    /wrong length$/,
  ],
  [
    'a size above 2^53',
    atGo(infoExport(2n ** 63n, HAS_FLAGS), ack),
    'corrupt',
    /^Export size 9223372036854775808 is too large$/,
  ],
  ['blocks of 3 bytes', atGo(infoBlockSize(3, 4096, 1 << 20)), 'io', /^server minimum block size 3 is not valid$/],
  [
    'blocks of 1 MiB',
    atGo(infoBlockSize(1 << 20, 1 << 20, 1 << 20)),
    'io',
    /^server minimum block size 1048576 is not valid$/,
  ],
  [
    'preferred blocks below the minimum',
    atGo(infoBlockSize(4096, 512, 1 << 20)),
    'io',
    /^server preferred block size 512 is not valid$/,
  ],
  [
    'a maximum below the minimum',
    atGo(infoBlockSize(4096, 4096, 512)),
    'io',
    /^server maximum block size 512 is not valid$/,
  ],
  [
    'a demand for TLS',
    atGo(optionReply(Opt.GO, 0x80000005)),
    'unsupported',
    /^TLS negotiation required before option 7 \(go\)$/,
  ],
  [
    'a refusal by policy',
    atGo(optionReply(Opt.GO, 0x80000002, Buffer.from('no\n\u001b[1mway'))),
    'denied',
    /^Denied by server for option 7 \(go\)\nserver reported: no\?\?\[1mway$/,
  ],
  [
    'an unknown refusal',
    atGo(optionReply(Opt.GO, 0x80001234)),
    'io',
    /^Unknown error code when asking for option 7 \(go\)$/,
  ],
];

describe('handshakes that fail', () => {
  it.each(BAD_HANDSHAKES)('%s', async (_, script, code, message) => {
    const error = await openNbd(await servers.fake(script)).catch((reason) => reason);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('end with an abort, so that the server knows', async () => {
    const options: number[] = [];
    const uri = await servers.fake(async (client) => {
      client.send(GREETING, bytes([16, FIXED_NEWSTYLE]));
      await client.take(4);
      for (;;) {
        const { option } = await takeOption(client);
        options.push(option);
        client.send(optionReply(option, option === Opt.GO ? 0x80000006 : Rep.UNSUP));
      }
    });
    await expect(openNbd(uri)).rejects.toMatchObject({ code: 'not-found', message: 'Requested export not available' });
    await expect.poll(() => options.at(-1)).toBe(Opt.ABORT);
  });

  it.each([
    ['never says a word', async () => undefined],
    ['stops in the middle', sends(GREETING)],
  ] as [string, Script][])('are given up when the server %s', async (_, script) => {
    const uri = await servers.fake(script);
    await expect(openNbd(uri, { connectTimeout: 50 })).rejects.toMatchObject({
      code: 'disconnected',
      message: 'Connection timed out',
    });
  });

  it('are given up when the signal fires', async () => {
    const controller = new AbortController();
    const opening = openNbd(await servers.fake(async () => controller.abort()), { signal: controller.signal });
    await expect(opening).rejects.toMatchObject({ code: 'aborted' });
  });

  it('with a name that is too long are not begun', async () => {
    const endpoint = { type: 'unix', path: servers.path('none') } as const;
    await expect(openNbd({ endpoint, exportName: 'é'.repeat(2049) })).rejects.toMatchObject({
      code: 'invalid',
      message: 'export name too long to send to server',
    });
  });
});

describe('a server that does not know GO', () => {
  const exported = bytes([64, SIZE], [16, HAS_FLAGS]);

  /** Lists these exports and serves any name. */
  function listing(...names: string[]): Script {
    return async (client) => {
      client.send(GREETING, bytes([16, FIXED_NEWSTYLE | NO_ZEROES]));
      await client.take(4);
      for (;;) {
        const { option } = await takeOption(client);
        if (option === Opt.EXPORT_NAME) return client.send(exported);
        if (option === Opt.LIST) {
          const entry = (name: string) => Buffer.concat([bytes([32, Buffer.byteLength(name)]), Buffer.from(name)]);
          for (const name of names) client.send(optionReply(option, Rep.SERVER, entry(name)));
          client.send(optionReply(option, Rep.ACK));
        } else client.send(optionReply(option, Rep.UNSUP));
      }
    };
  }

  it.each([['a', 'disk'], []])('is asked for an export of its list, or of an empty one', async (...names) => {
    const uri = (await servers.fake(listing(...names))).replace('///', '///disk');
    const store = await openNbd(uri);
    stores.push(store);
    expect(store.size).toBe(SIZE);
  });

  it('is not asked for one that its list does not have', async () => {
    const uri = (await servers.fake(listing('a', 'b'))).replace('///', '///disk');
    await expect(openNbd(uri)).rejects.toMatchObject({
      code: 'not-found',
      message: "No export with name 'disk' available",
    });
  });

  it('is not believed a name longer than its reply', async () => {
    const uri = await servers.fake(async (client) => {
      client.send(GREETING, bytes([16, FIXED_NEWSTYLE | NO_ZEROES]));
      await client.take(4);
      for (;;) {
        const { option } = await takeOption(client);
        if (option === Opt.LIST) client.send(optionReply(option, Rep.SERVER, bytes([32, 100])));
        else client.send(optionReply(option, Rep.UNSUP));
      }
    });
    await expect(openNbd(uri)).rejects.toMatchObject({ code: 'io' });
  });
});
