/** What to do about a failure. */
import type { ImageError } from '../../src/platform/web/index.js';
import { exactSize } from '../shell/text.js';
import type { Task } from './jobs.js';

/** Where it happened, as far as it is known; null: nowhere in particular. */
export function placeOf({ file, offset }: ImageError): string | null {
  const parts = [file, offset === undefined ? undefined : `after ${exactSize(offset)}`].filter((part) => part);
  return parts.length === 0 ? null : parts.join(', ');
}

/** Failures that the same conversion meets again, until something of it is changed. */
const LASTING: readonly ImageError['code'][] = ['invalid', 'unsupported', 'corrupt', 'not-found'];

/** The same again may do. */
export function mayPass(error: ImageError | null): boolean {
  return error !== null && !LASTING.includes(error.code);
}

/** For the user. */
export function adviceFor(error: ImageError, { file, chosenFile, isLocked }: Task): string {
  const intoFile = chosenFile !== null;
  if (isLocked && error.code === 'invalid') return 'Unlock the image with its passphrase, then convert again.';
  switch (error.code) {
    case 'no-space':
      return intoFile
        ? 'The disk of the chosen file is full, or the browser allows no more. Free some room or choose another place. Nothing was changed.'
        : 'A browser lends a page only part of the disk, and that is used up. Discard earlier results, free some room on the disk, compress, or write into a file that you choose. Nothing was kept.';
    case 'not-found':
      return error.file === undefined || error.file === file.name
        ? 'Choose the file again; it may have been moved or deleted.'
        : `Add ${error.file} to this page, together with the image, then convert again.`;
    case 'io':
      return 'If the file was changed or moved, choose it again. If it lies on a network drive or a stick, copy it to this machine first. Nothing half-done was kept.';
    case 'corrupt':
      return 'The image is damaged, or its download ended too early. Get it again; if there is no other copy, “diskloom convert --salvage” saves what can be read.';
    case 'unsupported':
      return 'Another output format or other options may do. On the command line more is possible than in a browser.';
    case 'invalid':
      return 'Change the options, then convert again.';
    case 'denied':
      return 'The browser was not allowed to do this. Choose the file again and allow it.';
    case 'disconnected':
      return 'Convert again when the server answers, or download the file with the browser and choose it here. Nothing half-done was kept.';
    case 'locked':
      return 'Another tab is using this file. Close it, then convert again.';
    case 'aborted':
      return intoFile ? 'The chosen file is as it was before.' : 'Nothing was kept.';
    default:
      return 'Convert again; if it fails again, the message above says where.';
  }
}
