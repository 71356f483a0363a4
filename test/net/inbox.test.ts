import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { Inbox, type Parser } from '../../src/platform/net/inbox.js';
import { Random } from '../support/random.js';

/** Delivers `bytes` as a transport does: as much as there is space for, at most `most` at once. */
function deliver(inbox: Inbox, bytes: Uint8Array, most: () => number): void {
  for (let at = 0; at < bytes.length; ) {
    const space = inbox.space();
    const count = Math.min(space.length, most(), bytes.length - at);
    space.set(bytes.subarray(at, at + count));
    inbox.received(count);
    at += count;
  }
}

function* messages(lengths: readonly number[]): Parser<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const length of lengths) {
    const header = yield 4;
    expect(new DataView(header.buffer, header.byteOffset).getUint32(0)).toBe(length);
    found.push(yield new Uint8Array(length));
  }
  return found;
}

function framed(bodies: readonly Uint8Array[]): Uint8Array {
  const frames = bodies.map((body) => {
    const frame = Buffer.alloc(4 + body.length);
    frame.writeUInt32BE(body.length);
    frame.set(body, 4);
    return frame;
  });
  return Buffer.concat(frames);
}

describe('the inbox', () => {
  it.each([1, 7, 4096, 70_000, 1_000_000])(
    'gives a parser its messages, however they arrive (at most %i at once)',
    async (most) => {
      const random = new Random(most);
      const bodies = [0, 1, 3, 40_000, 100, 200_000, 32_768, 32_767, 5].map((length) => random.bytes(length));
      const inbox = new Inbox();
      const found = inbox.run(messages(bodies.map((body) => body.length)));
      deliver(inbox, framed(bodies), () => 1 + random.below(most));
      const got = await found;
      expect(got.map((body) => Buffer.compare(body, bodies[got.indexOf(body)]!))).toEqual(bodies.map(() => 0));
    },
  );

  it('names the place of a large payload itself, so that it is not copied', async () => {
    const inbox = new Inbox();
    const into = new Uint8Array(1 << 20);
    const filled = inbox.run(
      (function* (): Parser<Uint8Array> {
        yield 4;
        return yield into;
      })(),
    );
    deliver(inbox, new Uint8Array(10).fill(1), () => 10);
    const space = inbox.space();
    expect([space.buffer, space.byteOffset, space.length]).toEqual([into.buffer, 6, into.length - 6]);
    deliver(inbox, new Uint8Array(into.length - 6).fill(1), () => into.length);
    expect((await filled).every((byte) => byte === 1)).toBe(true);
  });

  it('keeps what one parser leaves for the next', async () => {
    const inbox = new Inbox();
    const first = inbox.run(messages([2]));
    deliver(inbox, framed([new Uint8Array([1, 2]), new Uint8Array([3])]), () => 100);
    expect(await first).toEqual([new Uint8Array([1, 2])]);
    expect(await inbox.run(messages([1]))).toEqual([new Uint8Array([3])]);
  });

  it('fails the parser that waits when the connection closes, and every one after that', async () => {
    const inbox = new Inbox();
    const waiting = inbox.run(messages([2]));
    inbox.closed(new ImageError('disconnected', 'gone'));
    await expect(waiting).rejects.toThrow('gone');
    await expect(inbox.run(messages([2]))).rejects.toThrow('gone');
  });

  it('refuses to hold more than its scratch for nobody', () => {
    const inbox = new Inbox();
    expect(() => deliver(inbox, new Uint8Array(1 << 20), () => 1 << 20)).toThrow(ImageError);
  });
});
