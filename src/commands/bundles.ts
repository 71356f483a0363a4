/** Images that are directories: what is opened of them is the file that describes all others. */
import { bundleFiles } from '../formats/index.js';
import type { Address, Platform, Protocol } from './platform.js';

/** The descriptor's address, if a directory with one in it is meant; else `address`. */
export async function withinBundle<A extends Address>(platform: Platform, protocol: Protocol, address: A): Promise<A> {
  const path = protocol.localPath(address)?.replace(/\/+$/, '');
  if (!path || (await platform.kindOf(path)) !== 'directory') return address;
  for (const file of bundleFiles) {
    const inside = `${path}/${file}`;
    if ((await platform.kindOf(inside)) !== 'file') continue;
    return (typeof address === 'string' ? inside : new Map(address).set('filename', inside)) as A;
  }
  return address;
}
