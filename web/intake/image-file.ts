import type { RemoteFile } from '../../src/platform/web/index.js';

/** A file of this machine, or on a web server. */
export type ImageFile = File | RemoteFile;
