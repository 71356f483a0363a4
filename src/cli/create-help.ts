/** `-o help`. */
import { describeOptions, helpTable } from '../commands/create-options.js';
import { ImageOpener } from '../commands/open.js';
import type { Platform } from '../commands/platform.js';
import { findCreation } from '../commands/target.js';
import { drivers } from '../formats/index.js';

/** The options that a format takes, with those of the protocol if there is a file name. Throws as creating does. */
export function createOptionsHelp(platform: Platform, format: string, fileName: string | null): string {
  const { table } = findCreation(new ImageOpener(platform, { allowExternal: false }), format, fileName);
  const lines = describeOptions(helpTable(table, fileName !== null)).map((line) => `${line}\n`);
  if (fileName !== null) return `Supported options:\n${lines.join('')}`;
  return (
    `Supported ${format} options:\n${lines.join('')}\n` +
    'The protocol level may support further options.\nSpecify the target filename to include those options.\n'
  );
}

/** What `--help` of a verb that creates says of options that `qemu-img` does not have. */
export function ownOptionsHelp(): string {
  const lines = drivers.flatMap(({ name, createOptions }) => {
    const own = createOptions.filter((row) => row.own === true);
    return own.length === 0
      ? []
      : [`\nOptions of ${name} (-o) that only diskloom has:\n`, ...describeOptions(own).map((line) => `${line}\n`)];
  });
  return lines.join('');
}
