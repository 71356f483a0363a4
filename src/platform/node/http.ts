/** Files on web servers: `https://host/disk.qcow2`, read by parts. */
import type { Access, Address, OpenStorage, Protocol } from '../../commands/platform.js';
import { ImageError } from '../../errors.js';
import { ReadOnlyStore } from '../../storage/read-only.js';
import { openRemote } from '../net/http/open.js';
import { readRemote } from '../net/http/read.js';
import { HttpSource } from '../net/http/source.js';

function protocol(name: 'http' | 'https'): Protocol {
  return {
    names: [name],
    prefixes: [name],
    createOptions: null,
    localPath: () => null,
    open: (address, access) => openUrl(name, urlOf(name, address), access),
  };
}

export const httpProtocols: readonly Protocol[] = [protocol('https'), protocol('http')];

async function openUrl(driver: string, url: string, { mode, signal }: Access): Promise<OpenStorage> {
  if (mode !== 'read') throw new ImageError('denied', 'Read-only file system', { file: url });
  const file = await openRemote(url, signal);
  const source = new HttpSource(url, file.size, (offset, into) => readRemote(file, offset, into, signal));
  const store = new ReadOnlyStore(url, source);
  return { store, driver, fileName: url, options: { url }, allocated: null, hasFlags: false };
}

/** A URL as it is, or `file.driver=https,file.url=…`. Throws `invalid`. */
function urlOf(driver: string, address: Address): string {
  if (typeof address !== 'string') {
    for (const key of address.keys())
      if (key !== 'url')
        throw new ImageError('invalid', `Block protocol '${driver}' doesn't support the option '${key}'`);
  }
  const url = typeof address === 'string' ? address : address.get('url');
  if (url === undefined) throw new ImageError('invalid', `The '${driver}' block driver requires an 'url' option`);
  if (!url.startsWith(`${driver}://`))
    throw new ImageError(
      'invalid',
      `${driver} curl driver cannot handle the URL '${url}' (does not start with '${driver}://')`,
    );
  return url;
}
