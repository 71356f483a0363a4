import { describe, expect, it } from 'vitest';
import {
  asksForHelp,
  BlockdevOptions,
  parseInteger,
  parseKeyValues,
  parseSizeOption,
  parseSwitch,
} from '../../src/commands/blockdev.js';
import { isOptionList } from '../../src/commands/create-options.js';

describe('key=value lists', () => {
  const pairs = (text: string, implied: string | null = null) =>
    parseKeyValues(text, implied).map(({ key, value }) => [key, value]);

  it.each([
    ['', []],
    ['a=1', [['a', '1']]],
    [
      'a=1,b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['a=', [['a', '']]],
    [
      'a=x,,y,b=2',
      [
        ['a', 'x,y'],
        ['b', '2'],
      ],
    ],
    [
      'a=x,,,b=2',
      [
        ['a', 'x,'],
        ['b', '2'],
      ],
    ],
    ['a=1=2', [['a', '1=2']]],
    ['flag', [['flag', 'on']]],
    ['noflag', [['flag', 'off']]],
    [
      'a=1,flag,b=2',
      [
        ['a', '1'],
        ['flag', 'on'],
        ['b', '2'],
      ],
    ],
    ['a=1,', [['a', '1']]],
  ])('%s', (text, expected) => {
    expect(pairs(text)).toEqual(expected);
  });

  it('gives a bare first value the implied name', () => {
    expect(pairs('x,,y,size=1', 'file')).toEqual([
      ['file', 'x,y'],
      ['size', '1'],
    ]);
    expect(pairs('size=1,x', 'file')).toEqual([
      ['size', '1'],
      ['x', 'on'],
    ]);
  });

  it('sees a wish for help', () => {
    expect(['help', '?', 'a=1,help', 'a=1,?'].map(asksForHelp)).toEqual([true, true, true, true]);
    expect(['a=help', 'helpful', 'a=?'].map(asksForHelp)).toEqual([false, false, false]);
  });

  it('knows which lists can be joined by commas', () => {
    expect(['a=1', 'a=x,,', 'a,b'].map(isOptionList)).toEqual([true, true, true]);
    expect(['', ',a=1', 'a=1,', 'a=1,,,'].map(isOptionList)).toEqual([false, false, false, false]);
  });
});

describe('values', () => {
  it('switches have many spellings', () => {
    expect(['on', 'yes', 'true', 'y'].map((text) => parseSwitch('x', text))).toEqual([true, true, true, true]);
    expect(['off', 'no', 'false', 'n'].map((text) => parseSwitch('x', text))).toEqual([false, false, false, false]);
    expect(() => parseSwitch('x', 'ON')).toThrow("Parameter 'x' expects 'on' or 'off'");
  });

  it('numbers may be decimal, octal and hexadecimal', () => {
    expect(['0', '12', '012', '0x1F', ' -3', '+4'].map(parseInteger)).toEqual([0, 12, 10, 31, -3, 4]);
    expect(['', 'x', '1k', '09', '1.5', '0x'].map(parseInteger)).toEqual([null, null, null, null, null, null]);
  });

  it('sizes say what is wrong with them', () => {
    expect(parseSizeOption('size', '1M')).toBe(1048576);
    expect(() => parseSizeOption('size', '3x')).toThrow(
      /^Parameter 'size' expects a non-negative number below 2\^64\n/,
    );
    expect(() => parseSizeOption('size', '16E')).toThrow("Value '16E' is out of range for parameter 'size'");
  });
});

describe('the options of a node', () => {
  it('are flat names, from text and from JSON alike', () => {
    const text = BlockdevOptions.fromText('driver=qcow2,file.driver=file,file.filename=a,,b');
    const json = BlockdevOptions.fromJsonName(`json:{'driver':'qcow2','file':{'driver':'file','filename':'a,b'}}`);
    for (const options of [text, json]) {
      expect(options.takeText('driver')).toBe('qcow2');
      const file = options.takeChild('file');
      expect(options.size).toBe(0);
      expect([...file.takeRest()]).toEqual([
        ['driver', 'file'],
        ['filename', 'a,b'],
      ]);
    }
  });

  it('keep the types of JSON', () => {
    const options = BlockdevOptions.fromJsonName(
      'json:{"size": 512, "read-only": true, "backing": null, "x": [1, {"y": 2}]}',
    );
    expect([...options.takeRest()]).toEqual([
      ['size', 512],
      ['read-only', true],
      ['backing', null],
      ['x.0', 1],
      ['x.1.y', 2],
    ]);
  });

  it('are taken once', () => {
    const options = BlockdevOptions.fromText('read-only=off,size=1k');
    expect([options.takeSwitch('read-only'), options.takeSwitch('read-only')]).toEqual([false, undefined]);
    expect(options.firstKey()).toBe('size');
  });

  it.each(['json:', 'json:[]', 'json:1', 'json:{'])('%s is no name', (name) => {
    expect(() => BlockdevOptions.fromJsonName(name)).toThrow();
  });
});
