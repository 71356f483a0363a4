import { describe, expect, it } from 'vitest';
import { type OptionNames, readOptions, UsageError } from '../../src/cli/getopt.js';

const table: (OptionNames & { name: string })[] = [
  { name: 'format', short: 'f', long: ['format'], argument: 'FMT' },
  { name: 'backing', short: 'Bb', long: ['backing'], argument: 'FILE' },
  { name: 'backing-format', short: 'F', long: ['backing-format'], argument: 'FMT' },
  { name: 'target-image-opts', short: '', long: ['target-image-opts'], argument: null },
  { name: 'target-is-zero', short: '', long: ['target-is-zero'], argument: null },
  { name: 'rate', short: 'r', long: ['rate-limit', 'rate'], argument: 'RATE' },
  { name: 'compress', short: 'c', long: [], argument: null },
  { name: 'progress', short: 'p', long: ['progress'], argument: null },
];

function parse(line: string, stopAtOperand = false) {
  const operands: string[] = [];
  const given = [...readOptions(line.split(' '), table, operands, { stopAtOperand })];
  return {
    options: given.map(({ option, value }) => (value === '' ? option.name : `${option.name}=${value}`)),
    operands,
  };
}

describe('a command line', () => {
  it.each([
    ['-f raw a b', ['format=raw'], ['a', 'b']],
    ['-fraw a', ['format=raw'], ['a']],
    ['-cpf raw a', ['compress', 'progress', 'format=raw'], ['a']],
    ['-cpfraw a', ['compress', 'progress', 'format=raw'], ['a']],
    ['a -c b -p c', ['compress', 'progress'], ['a', 'b', 'c']],
    ['--format=raw --format qcow2 a', ['format=raw', 'format=qcow2'], ['a']],
    ['-b x -B y', ['backing=x', 'backing=y'], []],
    ['-c -- -p --format a', ['compress'], ['-p', '--format', 'a']],
    ['- a', [], ['-', 'a']],
    ['-f - a', ['format=-'], ['a']],
    ['-f -- a', ['format=--'], ['a']],
    ['--format= a', ['format'], ['a']],
  ])('%s', (line, options, operands) => {
    expect(parse(line)).toEqual({ options, operands });
  });

  it.each([
    ['--prog', ['progress']],
    ['--target-im', ['target-image-opts']],
    // both names mean the same option, so it is not ambiguous
    ['--rat 5', ['rate=5']],
    // an exact name wins although it is the beginning of another
    ['--backing x', ['backing=x']],
  ])('takes a beginning that can only be one option: %s', (line, options) => {
    expect(parse(line)).toEqual({ options, operands: [] });
  });

  it.each([
    ['-Z', "invalid option -- 'Z'"],
    ['-cZ', "invalid option -- 'Z'"],
    ['-f', "option requires an argument -- 'f'"],
    ['-cf', "option requires an argument -- 'f'"],
    ['--nope', "unrecognized option '--nope'"],
    ['--nope=1', "unrecognized option '--nope'"],
    ['--format', "option '--format' requires an argument"],
    ['--progress=1', "option '--progress' doesn't allow an argument"],
    ['--prog=1', "option '--progress' doesn't allow an argument"],
    ['--target', "option '--target' is ambiguous; possibilities: '--target-image-opts' '--target-is-zero'"],
  ])('refuses %s as the C library does', (line, message) => {
    expect(() => parse(line)).toThrow(new UsageError(message, true));
  });

  it('has seen what comes before a mistake', () => {
    const seen: string[] = [];
    const read = () => {
      for (const { option } of readOptions(['-c', '-p', '-Z'], table, [])) seen.push(option.name);
    };
    expect(read).toThrow(UsageError);
    expect(seen).toEqual(['compress', 'progress']);
  });

  it('ends at the first operand if asked to: the verb has options of its own', () => {
    expect(parse('-p convert -c --nope', true)).toEqual({
      options: ['progress'],
      operands: ['convert', '-c', '--nope'],
    });
  });
});
