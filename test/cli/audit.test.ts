/**
 * Every option of `qemu-img` has a decision, recorded here: the table fails where one is missing, on either side.
 *
 * `same`: means what it means there. Anything else says how diskloom differs, and why.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { spellings } from '../../src/cli/options.js';
import { verbs } from '../../src/cli/verbs/index.js';
import { describeWith } from '../support/judges.js';

/** Per verb: the names of one option, and the decision. */
type Decisions = { [names: string]: string };

const SAME = 'same';
const OBJECT = 'differs: objects other than secrets are refused';
const OWN = "diskloom's own";
const EXTERNAL: Decisions = { '--allow-external': OWN };
const PACKED: Decisions = { ...EXTERNAL, '--member': OWN, '--unpack-limit': OWN };
const NEW_IMAGE: Decisions = { ...EXTERNAL, '--reproducible': OWN };

const DECISIONS: { [verb: string]: Decisions } = {
  amend: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-o --options': SAME,
    '-t --cache': SAME,
    '--force': SAME,
    '-p --progress': 'same where it is read by a program; a terminal gets a bar',
    '-q --quiet': SAME,
    '--object': OBJECT,
    ...EXTERNAL,
  },
  convert: {
    '-h --help': SAME,
    '-f --source-format': SAME,
    '--image-opts --source-image-opts': SAME,
    '-l -s --snapshot --source-snapshot': 'same; -s is the spelling of 2017',
    '-T --source-cache': SAME,
    '-U --force-share': SAME,
    '--salvage': SAME,
    '--bitmaps': SAME,
    '--skip-broken-bitmaps': SAME,
    '-O --target-format': SAME,
    '--target-image-opts': SAME,
    '-o --target-format-options --target-options': SAME,
    '-c --compress': SAME,
    '-t --target-cache': 'differs: an unknown mode is refused before the target is created',
    '-B -b --backing': SAME,
    '-F --backing-format': SAME,
    '-n --no-create': SAME,
    '--target-is-zero': 'differs: refused with exit code 1 where the target has a backing file, not silently with 0',
    '-S --sparse-size': SAME,
    '-m --parallel': 'differs: runs in flight instead of coroutines; the result never depends on it',
    '-W --oob-writes': 'differs: writes may overtake each other, but the result is the same as without',
    '-C --copy-range-offloading': 'differs: raw targets only',
    '-r --rate-limit --rate': SAME,
    '-p --progress': 'same where it is read by a program; a terminal gets a bar',
    '-q --quiet': SAME,
    '--object': OBJECT,
    ...NEW_IMAGE,
    ...PACKED,
  },
  completion: { '-h --help': OWN },
  check: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-r --repair': SAME,
    '-T --cache --source-cache': 'same; --source-cache is the spelling of 10.1',
    '-U --force-share': SAME,
    '-q --quiet': SAME,
    '--output': SAME,
    '--object': OBJECT,
    ...PACKED,
  },
  compare: {
    '-h --help': SAME,
    '-f --a-format': SAME,
    '-F --b-format': SAME,
    '--image-opts': SAME,
    '-T --cache --source-cache': 'same; --source-cache is the spelling of 10.1',
    '-U --force-share': SAME,
    '-s --strict': SAME,
    '-p --progress': 'same where it is read by a program; a terminal gets a bar',
    '-q --quiet': SAME,
    '--object': OBJECT,
    ...PACKED,
  },
  bitmap: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '--add': SAME,
    '-g --granularity': SAME,
    '--remove': SAME,
    '--clear': SAME,
    '--enable': SAME,
    '--disable': SAME,
    '--merge': SAME,
    '-b --source-file': SAME,
    '-F --source-format': SAME,
    '--object': OBJECT,
    ...EXTERNAL,
  },
  dd: {
    '-h --help': SAME,
    '-f --format': SAME,
    '-O --output-format': SAME,
    '-U --force-share': SAME,
    '--image-opts': SAME,
    '--object': OBJECT,
    ...NEW_IMAGE,
    ...PACKED,
  },
  commit: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-t --cache': SAME,
    '-b --base': SAME,
    '-d --drop': SAME,
    '-r --rate': SAME,
    '-p --progress': 'same where it is read by a program; a terminal gets a bar',
    '-q --quiet': SAME,
    '--object': OBJECT,
    ...EXTERNAL,
  },
  rebase: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-b --backing': SAME,
    '-F --backing-format': SAME,
    '-u --backing-unsafe': SAME,
    '-c --compress': SAME,
    '-t --cache': SAME,
    '-T --backing-cache': SAME,
    '-U --force-share': SAME,
    '-p --progress': 'same where it is read by a program; a terminal gets a bar',
    '-q --quiet': SAME,
    '--object': OBJECT,
    ...EXTERNAL,
  },
  bench: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-U --force-share': SAME,
    '-q --quiet': 'same: it changes nothing there either',
    '-t --cache': SAME,
    '-c --count': SAME,
    '-d --depth': SAME,
    '-o --offset': SAME,
    '-s --buffer-size': SAME,
    '-S --step-size': SAME,
    '-i --aio': "differs: checked alike, but the requests are Node's in any case",
    '-n --native': 'as for --aio',
    '-w --write': SAME,
    '--pattern': SAME,
    '--flush-interval': SAME,
    '--no-drain': SAME,
    '--object': "same; qemu-img's bench has none",
    ...PACKED,
  },
  measure: {
    '-h --help': SAME,
    '-O --target-format': SAME,
    '-o --options': 'same; --options is ours',
    '-f --format': SAME,
    '--image-opts': SAME,
    '-l --snapshot': SAME,
    '-s --size': SAME,
    '-U --force-share': SAME,
    '--output': SAME,
    '--object': OBJECT,
    ...PACKED,
  },
  resize: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '--shrink': SAME,
    '--preallocation': SAME,
    '-q --quiet': SAME,
    '--object': OBJECT,
    ...EXTERNAL,
  },
  info: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-b --backing-chain': SAME,
    '-U --force-share': SAME,
    '--output': SAME,
    '--object': OBJECT,
    ...PACKED,
  },
  map: {
    '-h --help': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-s --start-offset': SAME,
    '-l --max-length': SAME,
    '-U --force-share': SAME,
    '--output': SAME,
    '--object': OBJECT,
    ...PACKED,
  },
  snapshot: {
    '-h --help': SAME,
    '-q --quiet': SAME,
    '-f --format': SAME,
    '--image-opts': SAME,
    '-U --force-share': SAME,
    '-l --list': SAME,
    '-c --create': "same; Debian's 10.0 has the long names without the argument",
    '-a --apply': 'same as for --create',
    '-d --delete': 'same as for --create',
    '--object': OBJECT,
    ...PACKED,
  },
  create: {
    '-h --help': SAME,
    '-q --quiet': SAME,
    '-f --format': SAME,
    '-o --options': SAME,
    '-b --backing': SAME,
    '-F --backing-format': SAME,
    '-u --backing-unsafe': SAME,
    '--object': OBJECT,
    ...NEW_IMAGE,
  },
};

/** `-x` and `--name` of all options of a verb, one set an option. */
function optionSets(verb: string): Set<string>[] {
  const { options } = verbs.find(({ name }) => name === verb)!;
  return options.map(({ short, long }) => new Set([...[...short].map((x) => `-${x}`), ...long.map((x) => `--${x}`)]));
}

describe.each(Object.entries(DECISIONS))('the options of %s', (verb, decisions) => {
  const decided = Object.keys(decisions).map((names) => new Set(names.split(' ')));

  it('are those that a decision is recorded for', () => {
    const sorted = (sets: Set<string>[]) => sets.map((set) => [...set].sort().join(' ')).sort();
    expect(sorted(optionSets(verb))).toEqual(sorted(decided));
  });

  it('are all explained by --help', () => {
    for (const { help } of verbs.find(({ name }) => name === verb)!.options) {
      expect(help.length).toBeGreaterThan(10);
    }
  });
});

/** What Debian's 10.0 does not have: the names are those of 10.1, of its help, of 2017, or ours. */
const OTHER_DIALECTS: { [verb: string]: string } = {
  convert:
    '-s --source-snapshot --target-format --target-format-options --target-options --compress --target-cache -b ' +
    '--no-create --rate-limit --progress',
  check: '--source-cache',
  compare: '--source-cache',
  bitmap: '--format',
  bench: '--object --quiet',
  measure: '-s',
};

/** Two options that share a line of the help. */
const PAIRED = ['--enable', '--disable'];

/** The verbs of `qemu-img`; ours besides. */
const THEIRS = Object.keys(DECISIONS).filter((verb) => verb !== 'completion');

describeWith(['qemu-img'], 'the installed qemu-img', () => {
  const ask = (...args: string[]) => spawnSync('qemu-img', args, { encoding: 'utf8' });

  it('has no verb that nobody decided about', () => {
    const names = ask('--help').stdout.match(/(?<=^ {2})[a-z]+(?= - )/gm) ?? [];
    expect(names.length).toBeGreaterThan(10);
    expect(names).toEqual(THEIRS.sort());
    expect(verbs.map(({ name }) => name)).toEqual(Object.keys(DECISIONS).sort());
  });

  it.each(THEIRS)('has no option of %s that nobody decided about', (verb) => {
    const { stdout } = ask(verb, '--help');
    const lines = stdout.match(/^ {2,4}--?[a-zA-Z].*$/gm) ?? [];
    expect(lines.length).toBeGreaterThan(4);
    const decided = Object.keys(DECISIONS[verb]!).map((list) => list.split(' '));
    for (const line of lines) {
      // It prints `--progres`; getopt takes any beginning of a name.
      const names = (line.match(/(?<=^ +|, ?)--?[a-zA-Z][\w-]*/g) ?? []).map((name) => name.replace(/progres$/, '$&s'));
      expect(
        decided.some(
          (list) => names.length > 0 && names.every((name) => list.includes(name) || PAIRED.includes(name)),
        ) || line,
      ).toBe(true);
    }
  });

  it.each(THEIRS)('takes an argument for the same options of %s', (verb) => {
    const unknown: string[] = [];
    const own = Object.entries(DECISIONS[verb]!).flatMap(([list, why]) => (why === OWN ? list.split(' ') : []));
    for (const option of verbs.find(({ name }) => name === verb)!.options) {
      for (const name of spellings(option)) {
        const { stderr } = ask(verb, name);
        if (/(unrecognized|invalid) option/.test(stderr)) unknown.push(name);
        // Debian's table forgot it: the long names take no argument, the short ones do.
        else if (verb === 'snapshot' && /^--(create|apply|delete)$/.test(name))
          expect(stderr).toContain('Expecting one image');
        else expect([name, /requires an argument/.test(stderr)]).toEqual([name, option.argument !== null]);
      }
    }
    const elsewhere = (OTHER_DIALECTS[verb] ?? '').split(' ');
    expect(unknown.filter((name) => !own.includes(name) && !elsewhere.includes(name))).toEqual([]);
  });
});
