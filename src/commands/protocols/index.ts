/** Protocols and filters by the names that they go by. */
import { ImageError } from '../../errors.js';
import { protocolPrefix } from '../file-names.js';
import type { FilterDriver } from '../filters/filter.js';
import { filterOfPrefix, findFilter } from '../filters/index.js';
import type { Protocol } from '../platform.js';
import { nullProtocols } from './null.js';
import { ssh } from './ssh.js';

/** The protocols of a platform and those that need none. */
export class ProtocolTable {
  readonly #protocols: readonly Protocol[];

  /** @param platform the one for file names without a prefix comes first */
  constructor(platform: readonly Protocol[]) {
    this.#protocols = [...platform, ...nullProtocols, ssh];
  }

  /** What `driver=` names; undefined if it is neither a protocol nor a filter. */
  find(driver: string): Protocol | FilterDriver | undefined {
    return this.#protocols.find(({ names }) => names.includes(driver)) ?? findFilter(driver);
  }

  /** What a file name is to be opened by. Throws `Unknown protocol 'x'`. */
  of(fileName: string): Protocol | FilterDriver {
    const prefix = protocolPrefix(fileName);
    if (prefix === null) return this.#protocols[0]!;
    const found = this.#protocols.find(({ prefixes }) => prefixes.includes(prefix)) ?? filterOfPrefix(prefix);
    if (found === undefined) throw new ImageError('invalid', `Unknown protocol '${prefix}'`);
    return found;
  }

  /** The protocol of a file name of something that is no filter. Throws `Unknown protocol 'x'`, `unsupported`. */
  protocolOf(fileName: string): Protocol {
    const found = this.of(fileName);
    if (isProtocol(found)) return found;
    throw new ImageError('unsupported', `Protocol driver '${found.name}' does not support image creation`);
  }

  /** The path of a local file; null for every other name. */
  localPath(fileName: string): string | null {
    const found = this.of(fileName);
    return isProtocol(found) ? found.localPath(fileName) : null;
  }
}

/** Protocols are storage; filters are made of it. */
export function isProtocol(driver: Protocol | FilterDriver): driver is Protocol {
  return 'names' in driver;
}
