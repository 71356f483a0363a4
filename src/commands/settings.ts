/** How images are named and opened: what every request says. */
import { ImageError } from '../errors.js';
import type { CheckEvents } from '../image/check.js';
import type { Secrets } from '../image/encryption.js';
import type { UnpackWishes } from '../unpack/unpacking.js';
import type { CacheMode } from './platform.js';

/** What the user named, and how it is meant. */
export interface ImageName {
  name: string;
  /** `name` is a list of options (--image-opts). */
  imageOptions: boolean;
  /** null: to be probed. */
  format: string | null;
}

/** What every request says about the files that images name, and about the keys that open them. */
export interface Trust {
  /** Images may name files outside the directory of the image that the user named. */
  allowExternal: boolean;
  /** Passphrases and keys by their ids; absent: none. */
  secrets?: Secrets | undefined;
  /** How packed files that the user names are unpacked. */
  unpack?: UnpackWishes | undefined;
  /** Told of what is odd but goes on. */
  onWarning?: ((message: string) => void) | undefined;
  /** Told of repairs that opening for writing needs, and of failures besides the one that is thrown. */
  events?: CheckEvents | undefined;
}

export interface OpenSettings {
  cache: CacheMode;
  /** Open although somebody else may be writing (-U). */
  share: boolean;
  /** Open the backing files too. */
  chain: boolean;
  /** The disk's content is going to be read: an image that cannot be read is refused. */
  content: boolean;
  /** Open to look for damage, also what could not be opened otherwise. */
  check?: boolean;
  signal?: AbortSignal | undefined;
}

/** How an image is to be written to. */
export interface EditSettings {
  cache: CacheMode;
  compress: boolean;
  keepAllocated: boolean;
  /** Which of the driver's ways to open it; `edit` where the driver does not have that one. Default `edit`. */
  purpose?: 'edit' | 'amend' | 'editBitmaps';
  /** Open the backing files too; default true. */
  chain?: boolean;
  /** As that of `EditRequest`. */
  hidesBacking?: boolean;
  /** Open the backing files without locks: one of them is going to be written to as well. */
  shareChain?: boolean;
  /** The format was not given but found out earlier: if it is raw, no other may come of it. */
  guessed?: boolean;
  signal?: AbortSignal | undefined;
}

/** Why an image that somebody else may be writing (-U) is not opened for changing. */
export function sharedForWriting(): ImageError {
  return new ImageError('invalid', 'force-share=on can only be used with read-only images');
}
