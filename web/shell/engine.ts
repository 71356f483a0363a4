/** The library, as this page uses it. */
import { signal } from '@preact/signals';
import { type FormatInfo, formats, Workspace } from '../../src/platform/web/index.js';

/** The room for results, opened at once so that leftovers go even if nothing is converted. */
export const workspace = Workspace.open();
workspace.catch(() => {
  // Told to those who need it.
});

/** All formats; empty until the engine has told them. */
export const knownFormats = signal<readonly FormatInfo[]>([]);
/** Why it has not told them; null: it has, or is about to. */
export const engineTrouble = signal<string | null>(null);

/** Asks the engine for its formats, which shows that it can be loaded at all. */
export async function loadFormats(): Promise<void> {
  engineTrouble.value = null;
  try {
    knownFormats.value = await formats();
  } catch (thrown) {
    engineTrouble.value = thrown instanceof Error ? thrown.message : String(thrown);
  }
}
