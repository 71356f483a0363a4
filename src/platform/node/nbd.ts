/** NBD exports in Node: over its sockets. */
import { type NbdOptions, openNbd as openNbdOver } from '../net/nbd/open.js';
import type { NbdStore } from '../net/nbd/store.js';
import type { NbdAddress } from '../net/nbd-uri.js';
import { connectSocket } from './socket.js';

/** Opens an NBD export; see `openNbd` of the protocol for what it throws. */
export function openNbd(target: string | NbdAddress, options: Omit<NbdOptions, 'connect'> = {}): Promise<NbdStore> {
  return openNbdOver(target, { ...options, connect: connectSocket });
}
