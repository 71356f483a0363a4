/**
 * Every option of `qemu-img` has a decision, recorded here: the table fails where one is missing, on either side.
 *
 * `same`: means what it means there. Anything else says how diskloom differs, and why.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
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

describeWith(['qemu-img'], 'the installed qemu-img', () => {
  it.each(Object.keys(DECISIONS))('has no option of %s that nobody decided about', (verb) => {
    const { stdout } = spawnSync('qemu-img', [verb, '--help'], { encoding: 'utf8' });
    const names = stdout.match(/(?<=^ {2}|, )--?[a-zA-Z][\w-]*/gm) ?? [];
    expect(names.length).toBeGreaterThan(5);
    const decided = new Set(Object.keys(DECISIONS[verb]!).flatMap((list) => list.split(' ')));
    // It prints `--progres`; getopt takes any beginning of a name.
    const isDecided = (name: string) => [...decided].some((each) => each === name || each === `${name}s`);
    expect(names.filter((name) => !isDecided(name))).toEqual([]);
  });
});
