/** Files near an image that it may mean, though it does not know their names. */
import { ImageError } from '../errors.js';
import type { DriverContext } from '../image/driver.js';
import { protocolPrefix } from './file-names.js';
import type { Platform } from './platform.js';
import type { ProtocolTable } from './protocols/index.js';
import type { StorageOpener } from './storage-opener.js';

interface Surroundings {
  platform: Platform;
  protocols: ProtocolTable;
  storages: StorageOpener;
}

/** See `DriverContext.lookAround`. An image that is not in a local file has nothing around it. */
export async function lookAround(
  { platform, protocols, storages }: Surroundings,
  { place }: NonNullable<DriverContext['location']>,
  ending: string,
  look: Parameters<NonNullable<DriverContext['lookAround']>>[1],
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = localPlace(protocols, place);
  if (path === null) return;
  const directory = path.slice(0, path.lastIndexOf('/') + 1);
  for (const way of ['', '../']) {
    const names = await platform.filesIn(directory + way);
    for (const file of names.filter((each) => each.toLowerCase().endsWith(ending))) {
      const name = way === '' && protocolPrefix(file) !== null ? `./${file}` : way + file;
      const full = directory + name;
      const local = protocolPrefix(full) === null ? full : `./${full}`;
      const hasSeenEnough = await storages.glanceAt(protocols.protocolOf(local), local, signal, (source) =>
        look(name, source),
      );
      if (hasSeenEnough === true) return;
    }
  }
}

/** null: there is none, or it is no local file. */
function localPlace(protocols: ProtocolTable, place: () => string): string | null {
  try {
    return protocols.localPath(place());
  } catch (error) {
    if (error instanceof ImageError) return null;
    throw error;
  }
}
