/** `driver=ssh`: no connection is ever made; what is wrong with the options is told first. */
import { ImageError } from '../../errors.js';
import { parseInteger } from '../blockdev.js';
import type { Address, OpenStorage, Protocol } from '../platform.js';

const SSH_PORT = 22;
const OPTIONS = ['host', 'port', 'path', 'user', 'host_key_check'];
const isKnown = (key: string) => OPTIONS.includes(key) || /^(server|host-key-check)\./.test(key);

export const ssh: Protocol = {
  names: ['ssh'],
  prefixes: ['ssh'],
  createOptions: null,
  localPath: () => null,
  async open(address: Address): Promise<OpenStorage> {
    if (typeof address === 'string') throw new ImageError('unsupported', 'The protocol ssh is not supported');
    for (const key of address.keys())
      if (!isKnown(key)) throw new ImageError('invalid', `Block protocol 'ssh' doesn't support the option '${key}'`);
    const host = address.get('host') ?? address.get('server.host');
    if (host === undefined) throw new ImageError('invalid', 'No hostname was specified');
    if (!address.has('path')) throw new ImageError('invalid', "Parameter 'path' is missing");
    const port = parseInteger(address.get('port') ?? address.get('server.port') ?? String(SSH_PORT));
    if (port === null) throw new ImageError('invalid', "Parameter 'port' expects a number");
    // Nobody listens on port 0.
    if (port === 0) throw new ImageError('disconnected', `Failed to connect to '${host}:0': Connection refused`);
    throw new ImageError('unsupported', 'The protocol ssh is not supported');
  },
};
