/** Writes the manual page and the completion scripts: `node manual.mjs FOLDER`, in the build. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCRIPTS } from '../verbs/completion.js';
import { bashCompletion } from './bash.js';
import { fishCompletion } from './fish.js';
import { manualPage } from './man-page.js';
import { zshCompletion } from './zsh.js';

/** Writes all of them below `folder`. */
export function writeManual(folder: string): void {
  const files = {
    'man/diskloom.1': manualPage(),
    [`completion/${SCRIPTS.bash}`]: bashCompletion(),
    [`completion/${SCRIPTS.zsh}`]: zshCompletion(),
    [`completion/${SCRIPTS.fish}`]: fishCompletion(),
  };
  for (const part of ['man', 'completion']) mkdirSync(join(folder, part), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}
