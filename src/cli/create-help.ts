/** `-o help`. */
import { describeOptions } from '../commands/create-options.js';
import { ImageOpener } from '../commands/open.js';
import type { Platform } from '../commands/platform.js';
import { findCreation } from '../commands/target.js';

/** The options that a format takes, with those of the protocol if there is a file name. Throws as creating does. */
export function createOptionsHelp(platform: Platform, format: string, fileName: string | null): string {
  const { table } = findCreation(new ImageOpener(platform, { allowExternal: false }), format, fileName);
  const lines = describeOptions(table).map((line) => `${line}\n`);
  if (fileName !== null) return `Supported options:\n${lines.join('')}`;
  return (
    `Supported ${format} options:\n${lines.join('')}\n` +
    'The protocol level may support further options.\nSpecify the target filename to include those options.\n'
  );
}
