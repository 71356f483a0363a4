/**
 * Reading a command line as getopt_long(3) does: `-abc`, `-ovalue`, `-o value`, `--long=value`, `--long value`, unique
 * beginnings of long names, options after operands, `--` before operands that look like options. The texts are those
 * of the C library.
 */

/** One option: its names and whether it takes a value. */
export interface OptionNames {
  /** Single letters; there may be several for one meaning. */
  readonly short: string;
  readonly long: readonly string[];
  /** What the value is called in the help; null: there is none. */
  readonly argument: string | null;
}

/** A command line that makes no sense; `message` without the program's name. */
export class UsageError extends Error {
  constructor(
    message: string,
    /** It is the C library that complains, and it names the command too. */
    readonly fromGetopt = false,
  ) {
    super(message);
  }
}

export interface Given<O> {
  option: O;
  /** '' for an option without one. */
  value: string;
}

/** What a name on the command line stands for. */
interface Match<O> {
  option: O;
  name: string;
}

/** Whether an argument is an operand whatever it looks like; `operands` came before it. */
export type OperandRule = (arg: string, operands: readonly string[]) => boolean;

/**
 * Yields the options in the order of the command line and puts the operands into `operands`. With `stopAtOperand` it
 * ends at the first one, and all that follows is operands. Throws `UsageError` when it gets to what is wrong, so that
 * what comes before it has been seen.
 */
export function* readOptions<O extends OptionNames>(
  args: readonly string[],
  table: readonly O[],
  operands: string[],
  {
    stopAtOperand = false,
    isOperand = () => false,
  }: { stopAtOperand?: boolean; isOperand?: OperandRule | undefined } = {},
): Generator<Given<O>> {
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') break;
    if (isOperand(arg, operands)) operands.push(arg);
    else if (arg.startsWith('--')) yield readLong(arg.slice(2), rest, table);
    else if (arg.startsWith('-') && arg !== '-') yield* readShort(arg.slice(1), rest, table);
    else {
      operands.push(arg);
      if (stopAtOperand) break;
    }
  }
  operands.push(...rest);
}

function readLong<O extends OptionNames>(text: string, rest: string[], table: readonly O[]): Given<O> {
  const equals = text.indexOf('=');
  const given = equals < 0 ? text : text.slice(0, equals);
  const { option, name } = findLong(given, table);
  if (equals >= 0) {
    if (option.argument === null) throw new UsageError(`option '--${name}' doesn't allow an argument`, true);
    return { option, value: text.slice(equals + 1) };
  }
  if (option.argument === null) return { option, value: '' };
  const value = rest.shift();
  if (value === undefined) throw new UsageError(`option '--${name}' requires an argument`, true);
  return { option, value };
}

/** An exact name, or a beginning that fits the names of one option only. */
function findLong<O extends OptionNames>(given: string, table: readonly O[]): Match<O> {
  const names = table.flatMap((option) => option.long.map((name) => ({ option, name })));
  const exact = names.find(({ name }) => name === given);
  if (exact !== undefined) return exact;
  const fitting = names.filter(({ name }) => name.startsWith(given));
  const first = fitting[0];
  if (first === undefined) throw new UsageError(`unrecognized option '--${given}'`, true);
  if (fitting.some(({ option }) => option !== first.option)) {
    const list = fitting.map(({ name }) => ` '--${name}'`).join('');
    throw new UsageError(`option '--${given}' is ambiguous; possibilities:${list}`, true);
  }
  return first;
}

function* readShort<O extends OptionNames>(letters: string, rest: string[], table: readonly O[]): Generator<Given<O>> {
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at]!;
    const option = table.find(({ short }) => short.includes(letter));
    if (option === undefined) throw new UsageError(`invalid option -- '${letter}'`, true);
    if (option.argument === null) {
      yield { option, value: '' };
      continue;
    }
    const value = at + 1 < letters.length ? letters.slice(at + 1) : rest.shift();
    if (value === undefined) throw new UsageError(`option requires an argument -- '${letter}'`, true);
    yield { option, value };
    return;
  }
}
