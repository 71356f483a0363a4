/** The manual page and the completion scripts, which come from the option tables. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { optionHeading } from '../../src/cli/help.js';
import { writeManual } from '../../src/cli/manual/index.js';
import { AMEND_TABLES, CREATE_TABLES } from '../../src/cli/manual/values.js';
import { verbs } from '../../src/cli/verbs/index.js';
import { drivers } from '../../src/formats/index.js';
import { builtCli } from '../support/built-cli.js';
import { scratchDirectory } from '../support/scratch.js';

const lacks = (program: string) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined;

const scratch = scratchDirectory();
beforeAll(() => writeManual(scratch('')));

/** The text of the page without markup and line ends, cut at the headings of verbs and formats. */
function parts(): Map<string, string> {
  const page = readFileSync(scratch('man/diskloom.1'), 'latin1')
    .replace(/\\f[BIR]|\\:|\\&/g, '')
    .replace(/\\-/g, '-');
  const cut = page.split(/^\.SS (.*)\n/m).slice(1);
  const text = (at: number) => cut[at + 1]!.replace(/^\..*$/gm, '').replace(/\s+/g, ' ');
  return new Map(cut.flatMap((name, at) => (at % 2 === 0 ? [[name, text(at)] as const] : [])));
}

describe('diskloom(1)', () => {
  it.each(verbs.map(({ name }) => name))('tells of every option and exit code of %s', (name) => {
    const { options, exitCodes = [], summary } = verbs.find((verb) => verb.name === name)!;
    const text = parts().get(name)!;
    const told = [...options.map((option) => `${optionHeading(option)} ${option.help[0]!.toUpperCase()}`)];
    const missing = [...told, summary, ...exitCodes.map(({ code }) => ` ${code} `)].filter(
      (each) => !text.includes(each),
    );
    expect(missing).toEqual([]);
    expect(options.filter(({ help }) => !text.includes(help.slice(1)))).toEqual([]);
  });

  it.each(drivers.map(({ name }) => name))('tells of every option of %s images', (name) => {
    const rows = [...(CREATE_TABLES.get(name) ?? []), ...(AMEND_TABLES.get(name) ?? [])];
    const text = parts().get(name)!;
    expect(rows.filter((row) => !text.includes(` ${row.name}=`) && !text.includes(` ${row.name},`))).toEqual([]);
  });

  it('is in plain characters', () => {
    expect(readFileSync(scratch('man/diskloom.1'), 'utf8')).toMatch(/^[\n -~]*$/);
  });

  const readers = [
    ['man', '--warnings', '-l'],
    ['groff', '-man', '-ww', '-z'],
    ['mandoc', '-Tlint'],
  ];
  it.each(readers)('%s %s has nothing against it', (program, ...args) => {
    if (lacks(program)) return;
    const { status, stderr, stdout } = spawnSync(program, [...args, scratch('man/diskloom.1')], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    if (program === 'mandoc') expect(stdout).toBe('');
  });
});

/** Command lines up to the cursor, and answers that have to be among those of the shell; `!`: that must not be. */
const LINES: [line: string, answers: string[]][] = [
  ['diskloom ', ['convert', 'snapshot', 'completion']],
  ['diskloom re', ['rebase', 'resize', '!convert']],
  ['diskloom completion ', ['bash', 'zsh', 'fish']],
  ['diskloom check --re', ['--repair', '!--output']],
  ['diskloom check -r ', ['leaks', 'all']],
  ['diskloom info --output=', ['human', 'json']],
  ['diskloom convert -O ', ['qcow2', 'raw', '!dmg']],
  ['diskloom convert -f ', ['qcow2', 'dmg']],
  ['diskloom convert -p --target-format=qc', ['qcow2', '!raw']],
  ['diskloom convert -t ', ['none', 'writeback', 'unsafe']],
  ['diskloom convert -O qcow2 -o cl', ['cluster_size=', '!compat=']],
  ['diskloom convert -Ovmdk -o sub', ['subformat=']],
  ['diskloom convert -Ovmdk -o subformat=', ['streamOptimized', '!dynamic']],
  ['diskloom convert --target-format=vpc -o subformat=', ['dynamic', '!streamOptimized']],
  ['diskloom convert -O qcow2 -o compat=1.1,lazy', ['lazy_refcounts=']],
  ['diskloom convert -O qcow2 -o compat=1.1,preallocation=m', ['metadata', '!full']],
  ['diskloom create -f qcow2 -o backing_file=di', ['disk.raw']],
  ['diskloom create -f luks -o cipher-m', ['cipher-mode=']],
  ['diskloom amend -o lazy', ['lazy_refcounts=']],
  ['diskloom info di', ['disk.raw', 'disks', '!other']],
  ['diskloom info -f qcow2 disks/', ['disks/one.qcow2']],
  ['diskloom dd i', ['if=', '!of=']],
  ['diskloom dd if=di', ['disk.raw', '!other']],
];

/** Both are the answers as bare words: what stands before them in the word is the shell's matter. */
function expectAnswers(given: readonly string[], wanted: readonly string[]): void {
  const bare = given.map((answer) => answer.replace(/^.*[=,](?=.)/, '').replace(/[/ ]$/, ''));
  const has = (answer: string) =>
    bare.some((each) => each === answer || each === answer.replace('=', '')) ||
    (answer.endsWith('=') && given.some((each) => each.split(',').at(-1)!.startsWith(answer)));
  expect(wanted.filter((answer) => !answer.startsWith('!') && !has(answer))).toEqual([]);
  expect(wanted.filter((answer) => answer.startsWith('!') && has(answer.slice(1)))).toEqual([]);
}

/** Splits a line as bash does before it asks, then prints what was answered. */
const BASH = `
set -u
source "$1"
line=$2
COMP_WORDS=() COMP_LINE=$line COMP_POINT=\${#line}
while [[ -n $line ]]; do
  line=\${line#"\${line%%[! ]*}"}
  word=\${line%%[=: ]*}
  [[ -z $word && -n $line ]] && word=\${line:0:1}
  COMP_WORDS+=("$word") line=\${line#"$word"}
done
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
COMPREPLY=()
complete -p diskloom | grep -q -- '-F _diskloom diskloom' || exit 1
_diskloom diskloom '' '' || exit
printf '%s\\n' "\${COMPREPLY[@]}"
`;

const ZSH = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; stty columns 200; autoload -Uz compinit; compinit -D -u; source $1; zstyle ':completion:*' verbose no"
zpty -w z 'LISTMAX=10000; bindkey "^I" list-choices; stty -echo; print REA""DY'
zpty -r z out '*READY*'
zpty -w -n z "$2"$'\\t\\n'
sleep 0.3
zpty -w z 'print FINIS""HED'
zpty -r z out '*FINISHED*'
print -r -- "\${out//$'\\e'\\[[0-9;?]#[a-zA-Z]/ }"
zpty -d z
`;

describe('completion', () => {
  const cli = builtCli();
  beforeAll(() => {
    for (const file of ['disk.raw', 'other']) writeFileSync(scratch(file), '');
    mkdirSync(scratch('disks'));
    writeFileSync(scratch('disks/one.qcow2'), '');
  });

  const answers = (program: string, ...args: string[]) => {
    const { stdout, stderr } = spawnSync(program, args, { cwd: scratch(''), encoding: 'utf8' });
    expect(stderr).toBe('');
    return stdout.split('\n').filter((line) => line !== '');
  };

  it.each(LINES)('bash: %s', (line, wanted) => {
    expectAnswers(answers('bash', '-c', BASH, 'bash', scratch('completion/diskloom.bash'), line), wanted);
  });

  describe.skipIf(lacks('fish'))('fish', () => {
    it.each(LINES)('%s', (line, wanted) => {
      const ask = `source ${scratch('completion/diskloom.fish')}; complete -C ${JSON.stringify(line)}`;
      const given = answers('fish', '--no-config', '-c', ask).map((each) => each.split('\t')[0]!);
      expectAnswers(given, wanted);
    });
  });

  describe.skipIf(lacks('zsh'))('zsh', () => {
    it.each(LINES.filter((_, at) => at % 4 === 1))('%s', (line, wanted) => {
      const output = answers(
        'zsh',
        '-f',
        '-o',
        'extendedglob',
        '-c',
        ZSH,
        'zsh',
        scratch('completion/_diskloom'),
        line,
      );
      expectAnswers(
        output.flatMap((each) => each.split(/\s+/)),
        wanted,
      );
    });
  });

  it('bash offers every option of every verb, and no answer where there is none', () => {
    for (const { name, options } of verbs) {
      const given = answers('bash', '-c', BASH, 'bash', scratch('completion/diskloom.bash'), `diskloom ${name} -`);
      expect(given.length).toBe(options.reduce((sum, { short, long }) => sum + short.length + long.length, 0));
    }
    expect(answers('bash', '-c', BASH, 'bash', scratch('completion/diskloom.bash'), 'diskloom convert -m ')).toEqual(
      [],
    );
  });

  it('is printed by the program, which does not hold it', async () => {
    const folder = dirname(cli.path);
    writeManual(folder);
    for (const [shell, file] of [
      ['bash', 'diskloom.bash'],
      ['zsh', '_diskloom'],
      ['fish', 'diskloom.fish'],
    ]) {
      const { code, stdout } = await cli.run(['completion', shell!]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: readFileSync(resolve(folder, 'completion', file!), 'utf8') });
    }
    expect(readFileSync(cli.path, 'latin1')).not.toContain('compgen');
    expect((await cli.run(['completion', 'tcsh'])).stderr).toContain("expects 'bash', 'zsh' or 'fish' not 'tcsh'");
    rmSync(resolve(folder, 'completion'), { recursive: true });
    expect(await cli.run(['completion', 'bash'])).toMatchObject({ code: 1, stdout: '' });
  });
});
