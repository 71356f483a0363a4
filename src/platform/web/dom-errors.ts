/** What the browser's storage APIs throw, as `ImageError`s. */
import { type ErrorCode, ImageError } from '../../errors.js';

/** DOMException names of the Blob, File System and Storage specifications; the reason is what the user reads. */
const REASONS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  QuotaExceededError: ['no-space', 'No space left on device, or the storage quota of this page is used up'],
  NotReadableError: ['io', 'The file was changed or removed after it was chosen'],
  NotFoundError: ['not-found', 'No such file or directory'],
  NotAllowedError: ['denied', 'Permission denied'],
  SecurityError: ['denied', 'Permission denied'],
  NoModificationAllowedError: ['locked', 'The file is in use by another tab or program'],
  AbortError: ['aborted', 'The operation was cancelled'],
};

/**
 * Wraps what a storage call threw; an `ImageError` passes through. `file` and `offset` (bytes) say where it happened.
 * A name that is not in the table is an I/O error: it comes from the disk or from the browser's own state.
 */
export function storageError(thrown: unknown, file: string, offset?: number): ImageError {
  if (thrown instanceof ImageError) return thrown;
  const name = thrown instanceof Error || thrown instanceof DOMException ? thrown.name : '';
  const [code, reason] = REASONS[name] ?? ['io', 'Input/output error'];
  return new ImageError(code, reason, { file, offset, cause: thrown });
}
