/** `driver=null-co` and `driver=null-aio`: a disk of a given size without storage. */
import { ImageError } from '../../errors.js';
import { NullStore } from '../../storage/null.js';
import { parseNumberOption, parseSizeOption, parseSwitch } from '../blockdev.js';
import type { Address, OpenStorage, Protocol } from '../platform.js';

const DEFAULT_SIZE = 1024 * 1024 * 1024;

/** `null-co` answers at once, `null-aio` in a later turn; both are the same to us. */
export const nullProtocols: readonly Protocol[] = ['null-co', 'null-aio'].map(nullProtocol);

function nullProtocol(driver: string): Protocol {
  return {
    names: [driver],
    prefixes: [driver],
    createOptions: null,
    localPath: () => null,
    async open(address: Address): Promise<OpenStorage> {
      const given = optionsOf(driver, address);
      const size = parseSizeOption('size', given.get('size') ?? String(DEFAULT_SIZE));
      const readZeroes = parseSwitch('read-zeroes', given.get('read-zeroes') ?? 'off');
      const latency = parseNumberOption('latency-ns', given.get('latency-ns') ?? '0');
      if (latency !== 0) throw new ImageError('unsupported', `latency-ns of ${driver} is not supported`);
      // how fast it answers does not make it another disk
      const options = Object.fromEntries([...given].filter(([key]) => key !== 'latency-ns'));
      return {
        store: new NullStore(driver, size, readZeroes),
        driver,
        fileName: Object.keys(options).length === 0 ? `${driver}://` : null,
        options,
        allocated: 0,
        hasFlags: false,
      };
    },
  };
}

function optionsOf(driver: string, address: Address): ReadonlyMap<string, string> {
  if (typeof address !== 'string') {
    for (const key of address.keys()) {
      if (key !== 'size' && key !== 'read-zeroes' && key !== 'latency-ns')
        throw new ImageError('invalid', `Block protocol '${driver}' doesn't support the option '${key}'`);
    }
    return address;
  }
  if (address !== `${driver}://`)
    throw new ImageError('invalid', `The only allowed filename for this driver is '${driver}://'`);
  return new Map();
}
