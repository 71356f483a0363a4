/** A web server with one file, which does what real ones do, and what broken ones do. */
import { open, readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How it answers; may be changed while it runs. */
export interface Manner {
  /** Pages of other origins may read (CORS). */
  cors: boolean;
  /** What such pages may see beside what they always may. */
  exposes: string;
  ranges: boolean;
  etag: string | null;
  lastModified: string | null;
  /** Milliseconds before an answer. */
  delay: number;
  /** So many answers fail with this status, or break off in the middle. */
  failures: { count: number; how: number | 'break' };
  /** Bytes of each part that are held back. */
  cut: number;
}

export interface FileServer {
  /** Ends with a slash. */
  address: string;
  manner: Manner;
  /** `GET 0-0 206`, in the order of their answers. */
  log: string[];
  close(): void;
}

const MANNER: Manner = {
  cors: true,
  exposes: 'Content-Range, ETag',
  ranges: true,
  etag: '"1"',
  lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT',
  delay: 0,
  failures: { count: 0, how: 503 },
  cut: 0,
};

/** Serves the file at `path` under any name but `none`. */
export async function serveFile(path: string, manner: Partial<Manner> = {}): Promise<FileServer> {
  const site: FileServer = { address: '', manner: { ...MANNER, ...manner }, log: [], close: () => {} };
  const server = createServer((request, response) => {
    setTimeout(() => answer(path, site, request, response).catch(() => response.destroy()), site.manner.delay);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  site.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  site.close = () => {
    server.close();
    server.closeAllConnections();
  };
  return site;
}

async function answer(path: string, site: FileServer, request: IncomingMessage, response: ServerResponse) {
  const { manner } = site;
  const { size } = await stat(path);
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const first = Number(asked?.[1] ?? 0);
  const last = Math.min(size - 1, Number(asked?.[2] || size - 1));
  const end = (status: number, headers: Record<string, string | number>, body?: Uint8Array): void => {
    site.log.push(`${request.method} ${asked === null ? 'all' : `${first}-${asked[2]}`} ${status}`);
    response.writeHead(status, { ...headers, ...(manner.cors && cors(manner)) }).end(body);
  };
  if (request.url === '/none') return end(404, {});
  const fails = manner.failures.count > 0;
  if (fails) manner.failures.count -= 1;
  if (fails && manner.failures.how !== 'break') return end(manner.failures.how as number, {});
  const file = {
    ...(manner.etag && { ETag: manner.etag }),
    ...(manner.lastModified && { 'Last-Modified': manner.lastModified }),
  };
  if (request.method === 'HEAD') return end(200, { ...file, 'Content-Length': size });
  if (asked === null || !manner.ranges) return end(200, { ...file, 'Content-Length': size }, await readFile(path));
  if (first >= size) return end(416, { 'Content-Range': `bytes */${size}` });
  const headers = { ...file, 'Content-Range': `bytes ${first}-${last}/${size}`, 'Content-Length': last - first + 1 };
  if (fails) {
    site.log.push('broke off');
    response.writeHead(206, { ...headers, ...cors(manner) }).write(await part(path, first, (last - first) >> 1));
    setTimeout(() => response.destroy(), 50);
    return;
  }
  end(
    206,
    { ...headers, 'Content-Length': last - first + 1 - manner.cut },
    await part(path, first, last - first + 1 - manner.cut),
  );
}

function cors({ exposes }: Manner): Record<string, string> {
  return { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': exposes };
}

async function part(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
