/**
 * `completion` on the command line: prints what makes a shell complete diskloom's command lines.
 *
 * The scripts are made when diskloom is built (`cli/manual`) and lie beside the program, which stays as small as it was.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ImageError } from '../../errors.js';
import { systemError } from '../../platform/node/errno.js';
import { UsageError } from '../getopt.js';
import { type HelpRequest, helpOption, type Option, parseInto } from '../options.js';
import { print } from '../output.js';
import type { Verb } from './verb.js';

/** File names as each shell looks for them in its own folders. */
export const SCRIPTS = { bash: 'diskloom.bash', zsh: '_diskloom', fish: 'diskloom.fish' } as const;

type Shell = keyof typeof SCRIPTS;

const options: readonly Option<HelpRequest>[] = [helpOption()];

async function run(args: readonly string[]): Promise<number> {
  const [shell, ...more] = parseInto({ help: false }, options, args);
  if (shell === undefined || more.length > 0) throw new UsageError('Expecting the name of one shell');
  if (!isShell(shell)) throw new UsageError(`completion expects 'bash', 'zsh' or 'fish' not '${shell}'`);
  print(readScript(shell));
  return 0;
}

function isShell(name: string): name is Shell {
  return Object.hasOwn(SCRIPTS, name);
}

function readScript(shell: Shell): string {
  const file = fileURLToPath(new URL(`completion/${SCRIPTS[shell]}`, import.meta.url));
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ImageError('not-found', `Could not open '${file}': ${systemError(error).message}`, {
      file,
      cause: error,
    });
  }
}

/** What the help says after the options. */
function notes(): string {
  return `
To complete in the present shell:
  bash:  source <(diskloom completion bash)
  zsh:   source <(diskloom completion zsh)
  fish:  diskloom completion fish | source
To keep it, put that line into ~/.bashrc, ~/.zshrc (after compinit) or ~/.config/fish/config.fish.
`;
}

export const completion: Verb = {
  name: 'completion',
  summary: "Prints a script that completes diskloom's command lines in a shell (diskloom's own).",
  operands: 'bash|zsh|fish',
  options,
  notes,
  run,
};
