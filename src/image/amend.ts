/** Amending: changing options of an image that were chosen when it was made. */
import type { Image } from './image.js';
import type { OptionValues } from './options.js';

export interface AmendRequest {
  /** Values by the names of the driver's `amendOptions`; what is absent stays as it is. */
  options: OptionValues;
  /** Also what cannot be undone: overwriting a key slot in use, erasing the last one. */
  force: boolean;
  /** Told of units of work done, of all that is foreseen; either may shrink when more is known. */
  onProgress(done: number, total: number): void;
}

/** An image that is open to be amended; closing it is all else that may be done with it. */
export interface AmendableImage extends Image {
  /**
   * Changes the options one after the other. Throws `invalid` or `unsupported` for what cannot be changed; what came
   * before it is changed then. The disk's content stays what it was, but for a new size.
   */
  amend(request: AmendRequest): Promise<void>;
}
