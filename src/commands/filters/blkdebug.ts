/**
 * `driver=blkdebug`: a storage that fails where the user says so; `blkdebug:CONFIG:FILE`, `blkdebug::FILE`.
 *
 * Rules come from a configuration file and from options (`inject-error.0.event=…`); both say the same things.
 */
import { isPowerOfTwo } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { STORAGE_EVENTS } from '../../storage/events.js';
import { type FaultRule, FaultRules, REQUEST_KINDS, type StateRule } from '../../storage/faults/rules.js';
import { FaultyStore, type RequestLimits } from '../../storage/faults/store.js';
import {
  type BlockdevOptions,
  parseNumberOption,
  parseSizeOption,
  parseSwitch,
  type Scalar,
  textOf,
} from '../blockdev.js';
import { exactName } from '../graph.js';
import { parseRuleFile, type RuleGroup, type RuleText } from './blkdebug-config.js';
import type { FilterDriver } from './filter.js';

const SECTOR = 512;
const EIO = 5;
const LARGEST_LIMIT = 2 ** 31 - 1;

/** Options that make it another storage, besides the rules; sizes, by name. */
const LIMITS = ['align', 'max-transfer', 'opt-write-zero', 'max-write-zero', 'opt-discard', 'max-discard'] as const;

export const blkdebug: FilterDriver = {
  name: 'blkdebug',
  parseName(rest) {
    const colon = rest.indexOf(':');
    if (colon < 0) throw new ImageError('invalid', 'blkdebug requires both config file and image path');
    const image: [string, Scalar] = ['image.filename', rest.slice(colon + 1)];
    return colon === 0 ? [image] : [['config', rest.slice(0, colon)], image];
  },
  async open(options, context) {
    const config = options.take('config') ?? undefined;
    const given = takeGiven(options);
    const inFile = config === undefined ? [] : parseRuleFile(await readRules(context.readText, textOf(config)));
    const inOptions = [...rulesOf(given, 'inject-error'), ...rulesOf(given, 'set-state')];
    const rules = rulesFrom([...inFile, ...inOptions]);
    const image = await context.openChild(options, 'image');
    const limits = limitsOf(given);
    rules.announce('none');
    const name = exactName(image.node);
    return {
      kind: 'storage',
      storage: {
        store: new FaultyStore(image.store, rules, limits),
        driver: 'blkdebug',
        fileName:
          name === null || given.size > 0 ? null : `blkdebug:${config === undefined ? '' : textOf(config)}:${name}`,
        options: { ...(config === undefined ? {} : { config }), ...Object.fromEntries(given) },
        allocated: null,
        hasFlags: true,
      },
      children: [{ role: 'image', node: image.node }],
      filtered: image.node,
    };
  },
};

/** The options that only a `json:` name can tell, as they were given. */
function takeGiven(options: BlockdevOptions): Map<string, Scalar> {
  const isOwn = (key: string) => /^(inject-error|set-state)\./.test(key) || LIMITS.some((limit) => limit === key);
  return options.takeMatching(isOwn);
}

async function readRules(readText: (path: string) => Promise<string>, path: string): Promise<string> {
  try {
    return await readText(path);
  } catch (error) {
    if (!(error instanceof ImageError) || error.code === 'external') throw error;
    const reason = error.message.replace(/^Could not open '.*': /s, '');
    throw new ImageError(error.code, `Could not read blkdebug config file: ${reason}`, { cause: error });
  }
}

/** `inject-error.0.event=…`, gathered by their numbers; they end where one is missing. */
function* rulesOf(given: ReadonlyMap<string, Scalar>, group: RuleGroup): Iterable<RuleText> {
  for (let index = 0; ; index++) {
    const prefix = `${group}.${index}.`;
    const own = [...given].filter(([key, value]) => key.startsWith(prefix) && value !== null);
    if (own.length === 0) return;
    yield { group, values: new Map(own.map(([key, value]) => [key.slice(prefix.length), textOf(value!)])) };
  }
}

function rulesFrom(texts: readonly RuleText[]): FaultRules {
  const unknown = texts.map(unknownOption).find((message) => message !== null);
  if (unknown) throw new ImageError('invalid', unknown);
  const faults = texts.filter(({ group }) => group === 'inject-error').map(({ values }) => faultRule(values));
  const changes = texts.filter(({ group }) => group === 'set-state').map(({ values }) => stateRule(values));
  return new FaultRules(faults, changes);
}

const RULE_OPTIONS: { readonly [group in RuleGroup]: readonly string[] } = {
  'inject-error': ['event', 'state', 'iotype', 'errno', 'sector', 'once', 'immediately'],
  'set-state': ['event', 'state', 'new_state'],
};

function unknownOption({ group, values, inFile }: RuleText): string | null {
  const unknown = [...values.keys()].find((key) => !RULE_OPTIONS[group].includes(key));
  if (unknown === undefined) return null;
  return inFile ? `Invalid parameter '${unknown}'` : `[${group}] section doesn't support the option '${unknown}'`;
}

type RuleValues = ReadonlyMap<string, string>;

function faultRule(values: RuleValues): FaultRule {
  const sector = numberOf(values, 'sector', -1);
  const kind = values.get('iotype');
  // Whether it fails now or in the next turn makes no difference to anybody here; it has to be said rightly all the same.
  switchOf(values, 'immediately');
  return {
    event: wordOf(values.get('event'), STORAGE_EVENTS),
    state: numberOf(values, 'state', 0),
    errno: numberOf(values, 'errno', EIO),
    kind: kind === undefined ? null : wordOf(kind, REQUEST_KINDS),
    offset: sector === -1 ? null : sector * SECTOR,
    once: switchOf(values, 'once'),
  };
}

function stateRule(values: RuleValues): StateRule {
  return {
    event: wordOf(values.get('event'), STORAGE_EVENTS),
    state: numberOf(values, 'state', 0),
    newState: numberOf(values, 'new_state', 0),
  };
}

function wordOf<T extends string>(word: string | undefined, words: readonly T[]): T {
  if (word === undefined) throw new ImageError('invalid', 'Missing event name for rule');
  const known = words.find((each) => each === word);
  if (known === undefined) throw new ImageError('invalid', `invalid parameter value: ${word}`);
  return known;
}

function numberOf(values: RuleValues, key: string, absent: number): number {
  const value = values.get(key);
  return value === undefined ? absent : parseNumberOption(key, value);
}

function switchOf(values: RuleValues, key: string): boolean {
  return parseSwitch(key, values.get(key) ?? 'off');
}

/** Throws `invalid` for limits that contradict each other. */
function limitsOf(given: ReadonlyMap<string, Scalar>): RequestLimits {
  const limit = (name: (typeof LIMITS)[number], unit: number) => {
    const value = given.get(name) ?? null;
    const size = value === null ? 0 : parseSizeOption(name, textOf(value));
    const fits = name === 'align' ? isPowerOfTwo(size) : size % unit === 0;
    if (size !== 0 && (size >= LARGEST_LIMIT || !fits))
      throw new ImageError('invalid', `Cannot meet constraints with ${name} ${size}`);
    return size;
  };
  const align = limit('align', 1);
  const unit = align || 1;
  const maxTransfer = limit('max-transfer', unit);
  const zeroAlign = limit('opt-write-zero', unit);
  const maxZero = limit('max-write-zero', Math.max(zeroAlign, unit));
  limit('max-discard', Math.max(limit('opt-discard', unit), unit));
  return { align, maxTransfer, zeroAlign, maxZero };
}
