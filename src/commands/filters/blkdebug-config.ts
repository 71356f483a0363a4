/** The configuration file of `blkdebug`: `[inject-error]` and `[set-state]` sections with `key = "value"` lines. */
import { ImageError } from '../../errors.js';

export type RuleGroup = 'inject-error' | 'set-state';

/** A rule as it was written down. */
export interface RuleText {
  group: RuleGroup;
  values: Map<string, string>;
  /** Written in the file, not given as options. */
  inFile?: boolean;
}

/** Throws `invalid`. */
export function parseRuleFile(text: string): RuleText[] {
  const rules: RuleText[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const section = /^\[([^\s"\]]+)(?: "[^"]*")?\]/.exec(line);
    if (section !== null) {
      rules.push({ group: groupOf(section[1]!), values: new Map(), inFile: true });
      continue;
    }
    const setting = /^\s*([^\s=]+)\s*=\s*"([^"]*)"/.exec(line);
    if (setting === null)
      throw new ImageError('invalid', `parse error in line ${index + 1} of the blkdebug config file`);
    const rule = rules.at(-1);
    if (rule === undefined) throw new ImageError('invalid', 'no group defined');
    rule.values.set(setting[1]!, setting[2]!);
  }
  return rules;
}

function groupOf(name: string): RuleGroup {
  if (name === 'inject-error' || name === 'set-state') return name;
  throw new ImageError('invalid', `There is no option group '${name}'`);
}
