/** The library, as this page uses it. */
import { type FormatInfo, formats, Workspace } from '../../src/platform/web/index.js';

/** The room for results, opened at once so that leftovers go even if nothing is converted. */
export const workspace = Workspace.open();
workspace.catch(() => {
  // Told to those who need it.
});

let known: Promise<FormatInfo[]> | undefined;

/** All formats; asked for once. */
export function knownFormats(): Promise<FormatInfo[]> {
  known ??= formats();
  known.catch(() => {
    known = undefined;
  });
  return known;
}
