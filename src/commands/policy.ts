/**
 * Which files an image may name.
 *
 * An image is hostile input, and it names other files: its backing file, its data file. diskloom opens only those that
 * lie at or below the directory of an image that the *user* named, symbolic links resolved on both sides, and never a
 * URL or a device. `--allow-external` lifts that. What the user names is always allowed.
 */
import { ImageError } from '../errors.js';
import type { Address, Platform, Protocol } from './platform.js';

export class ReferencePolicy {
  /** Directories, real and with a slash at the end. */
  readonly #roots: string[] = [];

  constructor(
    private readonly platform: Platform,
    private readonly allowExternal: boolean,
  ) {}

  /** The user named this: what lies beside it may be opened. */
  async admit(protocol: Protocol, address: Address): Promise<void> {
    const path = protocol.localPath(address);
    if (path !== null) this.#roots.push(directoryOf(await this.platform.realPath(path)));
  }

  /** An image named this. Throws `external`. */
  async check(protocol: Protocol, address: Address): Promise<void> {
    if (this.allowExternal) return;
    const path = protocol.localPath(address);
    if (path === null) {
      const name = typeof address === 'string' ? address : `driver=${protocol.names[0]}`;
      throw refused(name, 'is not a local file');
    }
    const real = await this.platform.realPath(path);
    if (!this.#roots.some((root) => real.startsWith(root)))
      throw refused(path, 'lies outside the directory of the image');
    if ((await this.platform.kindOf(real)) === 'device') throw refused(path, 'is a device');
  }
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function refused(name: string, why: string): ImageError {
  return new ImageError(
    'external',
    `'${name}' ${why} and was named by an image, not by you; use --allow-external to open it`,
    { file: name },
  );
}
