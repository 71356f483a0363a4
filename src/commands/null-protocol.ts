/** `driver=null-co`: a disk of a given size without storage. */
import { ImageError } from '../errors.js';
import { NullStore } from '../storage/null.js';
import { parseSizeOption, parseSwitch } from './blockdev.js';
import type { Address, OpenStorage, Protocol } from './platform.js';

const DEFAULT_SIZE = 1024 * 1024 * 1024;

export const nullProtocol: Protocol = {
  names: ['null-co'],
  prefixes: ['null-co'],
  createOptions: null,
  localPath: () => null,
  async open(address: Address): Promise<OpenStorage> {
    const options = optionsOf(address);
    const size = parseSizeOption('size', options.get('size') ?? String(DEFAULT_SIZE));
    const readZeroes = parseSwitch('read-zeroes', options.get('read-zeroes') ?? 'off');
    return {
      store: new NullStore(size, readZeroes),
      driver: 'null-co',
      fileName: options.size === 0 ? 'null-co://' : null,
      options: Object.fromEntries(options),
      allocated: 0,
      hasFlags: false,
    };
  },
};

function optionsOf(address: Address): ReadonlyMap<string, string> {
  if (typeof address !== 'string') {
    for (const key of address.keys()) {
      if (key !== 'size' && key !== 'read-zeroes')
        throw new ImageError('invalid', `Block protocol 'null-co' doesn't support the option '${key}'`);
    }
    return address;
  }
  if (address !== 'null-co://')
    throw new ImageError('invalid', "The only allowed filename for this driver is 'null-co://'");
  return new Map();
}
