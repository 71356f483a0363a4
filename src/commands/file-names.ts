/** File names with and without a protocol, and how a relative one is understood. */
import { ImageError } from '../errors.js';

/** What stands before the first colon, if no slash comes earlier: `nbd` of `nbd://host/x`; null: a plain path. */
export function protocolPrefix(name: string): string | null {
  return /^([^:/]*):/.exec(name)?.[1] ?? null;
}

/**
 * The full name of what the image `overlay` calls `reference`: a relative path counts from the overlay's directory, and
 * so within the protocol of the overlay's name. Throws `invalid` where the overlay has no directory.
 */
export function resolveReference(overlay: string | null, reference: string): string {
  if (protocolPrefix(reference) !== null || reference.startsWith('/')) return reference;
  if (overlay === null || overlay === '' || overlay.startsWith('json:'))
    throw new ImageError('invalid', `Cannot use relative backing file names for '${overlay ?? ''}'`);
  const afterProtocol = protocolPrefix(overlay) === null ? 0 : overlay.indexOf(':') + 1;
  const directoryEnd = Math.max(afterProtocol, overlay.lastIndexOf('/') + 1);
  return overlay.slice(0, directoryEnd) + reference;
}
