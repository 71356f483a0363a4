/** `bitmap`: changes the persistent dirty bitmaps of an image. */
import { ImageError } from '../errors.js';
import { type BitmapEditor, LostBitmaps, UNNAMED_NODE } from '../image/bitmap-edit.js';
import type { Image } from '../image/image.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';

/** One step; `source` names the bitmap that is merged. */
export type BitmapAction = { do: 'add' | 'remove' | 'clear' | 'enable' | 'disable' } | { do: 'merge'; source: string };

export interface BitmapRequest extends ImageName, Trust {
  bitmap: string;
  /** In the order in which they are done. */
  actions: readonly BitmapAction[];
  /** Of a bitmap that is added; null: what suits the image. */
  granularity: number | null;
  /** The image whose bitmaps are merged; null: the same. */
  source: { name: string; format: string | null } | null;
}

/** Throws `Operation … on bitmap … failed: …`; the actions before that one are done. */
export function changeBitmap(platform: Platform, request: BitmapRequest): Promise<void> {
  return ImageOpener.use(platform, request, async (opener) => {
    const settings = { cache: 'writeback', compress: false, keepAllocated: false } as const;
    const { node } = await opener.edit(request, { ...settings, chain: false, purpose: 'editBitmaps' });
    const { image } = node;
    const source = request.source === null ? image : await openSource(opener, request.source);
    const failure = runActions(image, source, request);
    if (isBitmapEditor(image)) await finish(image, request);
    if (failure !== null) throw failure;
  });
}

async function openSource(opener: ImageOpener, source: { name: string; format: string | null }): Promise<Image> {
  const settings = { cache: 'writeback', share: false, chain: false, content: true } as const;
  return opener.layer(await opener.open({ ...source, imageOptions: false }, settings));
}

/** Returns why an action failed; those behind it are not done then. */
function runActions(image: Image, source: Image, request: BitmapRequest): ImageError | null {
  for (const action of request.actions) {
    try {
      if (isBitmapEditor(image)) perform(image, source, action, request);
      else refuse(action, request.bitmap);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      return error.prefixed(`Operation ${action.do} on bitmap ${request.bitmap} failed: `);
    }
  }
  return null;
}

function perform(editor: BitmapEditor, source: Image, action: BitmapAction, request: BitmapRequest): void {
  const { bitmap, granularity } = request;
  switch (action.do) {
    case 'add':
      editor.addBitmap(bitmap, granularity);
      break;
    case 'remove':
      editor.removeBitmap(bitmap);
      break;
    case 'clear':
      editor.clearBitmap(bitmap);
      break;
    case 'enable':
    case 'disable':
      editor.enableBitmap(bitmap, action.do === 'enable');
      break;
    case 'merge':
      editor.mergeBitmap(bitmap, { image: source, name: action.source });
      break;
  }
}

/** The image has no bitmaps, and cannot have any. */
function refuse(action: BitmapAction, bitmap: string): never {
  if (action.do !== 'add') throw new ImageError('not-found', `Dirty bitmap '${bitmap}' not found`);
  if (bitmap === '') throw new ImageError('invalid', 'Bitmap name cannot be empty');
  const reason = `Can't store persistent bitmaps to ${UNNAMED_NODE}: Operation not supported`;
  throw new ImageError('unsupported', reason);
}

async function finish(editor: BitmapEditor, { events }: BitmapRequest): Promise<void> {
  try {
    await editor.finish();
  } catch (error) {
    if (!(error instanceof LostBitmaps)) throw error;
    // QEMU tries again when it closes the image, and fails again.
    events?.onTrouble(error.message);
    events?.onTrouble('Error while closing the image: Invalid argument');
    throw error;
  }
}

function isBitmapEditor(image: Image): image is BitmapEditor {
  return 'addBitmap' in image && 'mergeBitmap' in image;
}
