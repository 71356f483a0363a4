import { describe, expect, it } from 'vitest';
import { compactJson, orderedEntries, parseJson, prettyJson } from '../../src/commands/json.js';

describe("QEMU's JSON", () => {
  it('prints keys in the order of its hash table', () => {
    const node = { filename: 'a', format: 'f', 'virtual-size': 1, 'actual-size': 2, 'dirty-flag': false };
    expect(orderedEntries(node).map(([key]) => key)).toEqual([
      'virtual-size',
      'filename',
      'format',
      'actual-size',
      'dirty-flag',
    ]);
  });

  it('prints the later of two keys first where both are in one bucket', () => {
    const first = { 'backing-filename-format': 'raw', children: [] };
    expect(orderedEntries(first).map(([key]) => key)).toEqual(['children', 'backing-filename-format']);
    const second = { children: [], 'backing-filename-format': 'raw' };
    expect(orderedEntries(second).map(([key]) => key)).toEqual(['backing-filename-format', 'children']);
  });

  it('has four spaces a level, and two lines for what is empty', () => {
    const text = prettyJson([{ children: [] }, { data: {} }, [1, 'x', true, null, 2n ** 60n]]);
    expect(text.split('\n')).toEqual([
      '[',
      '    {',
      '        "children": [',
      '        ]',
      '    },',
      '    {',
      '        "data": {',
      '        }',
      '    },',
      '    [',
      '        1,',
      '        "x",',
      '        true,',
      '        null,',
      '        1152921504606846976',
      '    ]',
      ']',
    ]);
  });

  it('prints one line for names', () => {
    const options = { driver: 'raw', offset: '512', size: '1024', file: { driver: 'file', filename: 'b.raw' } };
    expect(compactJson(options)).toBe(
      '{"offset": "512", "driver": "raw", "size": "1024", "file": {"driver": "file", "filename": "b.raw"}}',
    );
  });

  it('escapes what is not printable ASCII', () => {
    expect(compactJson('é"\\\n\u0001😀/')).toBe('"\\u00E9\\"\\\\\\n\\u0001\\uD83D\\uDE00/"');
  });

  it.each([
    [`{'driver': 'raw'}`, { driver: 'raw' }],
    [`{"a": 'it"s', 'b': "it's"}`, { a: 'it"s', b: "it's" }],
    [String.raw`{'a': 'it\'s', "b": "\""}`, { a: "it's", b: '"' }],
    [`[1, 'two', null, true]`, [1, 'two', null, true]],
  ])('reads %s', (text, value) => {
    expect(parseJson(text)).toEqual(value);
  });

  it.each([`{'a': `, `{'a'`, `{a: 1}`, `{'a': 'x}`, `{'a':,}`])('refuses %s', (text) => {
    expect(() => parseJson(text)).toThrow(/^JSON parse error, /);
  });
});
