/** What Node makes of arguments that are not UTF-8: different names become the same one, and another file is meant. */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';

const REPLACEMENT = '\ufffd';

/** Some of `args`, those of this process, are not what the user wrote. */
export function hasOddNames(args: readonly string[]): boolean {
  if (!args.some((argument) => argument.includes(REPLACEMENT))) return false;
  try {
    return !isUtf8(readFileSync('/proc/self/cmdline'));
  } catch {
    // Not Linux: nobody can tell.
    return false;
  }
}
