/** Unpacking in Node: gzip by Node itself, zstd too where its version can, and room in a file that has no name. */
import { randomUUID } from 'node:crypto';
import { openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, type Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { decodeBzip2Stream } from '../../codecs/bzip2/stream.js';
import { damagedStream, type StreamDecoder } from '../../codecs/stream.js';
import { decodeXzStream } from '../../codecs/xz.js';
import { decodeZstdStream } from '../../codecs/zstd.js';
import type { Scratch, Unpacking } from '../../unpack/unpacking.js';
import { systemError } from './errno.js';
import { FileStore } from './file-store.js';
import { fileSystemOf } from './file-system.js';
import { libc } from './libc.js';
import { freeSpace } from './space.js';
import { threadPool } from './thread-pool.js';

/** How Node unpacks. */
export const nodeUnpacking: Unpacking = {
  decoders: new Map<string, StreamDecoder>([
    ['gzip', throughTransform('gzip', () => createGunzip({ chunkSize: 256 * 1024 }))],
    ['xz', decodeXzStream],
    ['bzip2', decodeBzip2Stream],
    ['zstd', decodeZstd],
  ]),
  createScratch,
};

/** Node has a decoder of its own since 22.15. */
function decodeZstd(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const zlib: object = process.getBuiltinModule('node:zlib');
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  const decode = createZstdDecompress === undefined ? decodeZstdStream : throughTransform('zstd', createZstdDecompress);
  return decode(packed);
}

function throughTransform(format: string, create: () => Transform): StreamDecoder {
  return async function* decode(packed) {
    threadPool.computes();
    const input = Readable.from(packed, { objectMode: false });
    const transform = create();
    input.on('error', (error) => transform.destroy(error));
    input.pipe(transform);
    try {
      for await (const piece of transform) yield piece;
    } catch (error) {
      throw damagedStream(format, error);
    } finally {
      input.destroy();
    }
  };
}

/** Nobody can find the file, and it is gone when the process is. */
async function createScratch(): Promise<Scratch> {
  const directory = process.env.TMPDIR || (process.platform === 'win32' ? tmpdir() : '/var/tmp');
  const name = join(directory, `diskloom-${randomUUID()}`);
  try {
    const fd = openSync(name, 'wx+', 0o600);
    unlinkSync(name);
    const store = new FileStore({
      name,
      fd,
      directFd: null,
      kind: 'regular',
      fileSystem: fileSystemOf(directory),
      size: 0,
      created: false,
      fresh: true,
      durable: false,
      libc: libc(),
      unlock() {},
    });
    return { store, room: () => freeSpace(directory) };
  } catch (error) {
    throw systemError(error, { file: name });
  }
}
