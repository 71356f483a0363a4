import { describe, expect, it } from 'vitest';
import { formatSize, parseSize } from '../../src/commands/sizes.js';

describe('sizes as people write them', () => {
  it.each([
    ['0', 0n],
    ['1024', 1024n],
    ['1k', 1024n],
    ['1K', 1024n],
    ['5b', 5n],
    ['64M', 64n << 20n],
    ['3G', 3n << 30n],
    ['2T', 2n << 40n],
    ['1p', 1n << 50n],
    ['7E', 7n << 60n],
    ['1.5k', 1536n],
    ['.5M', 512n << 10n],
    ['1.k', 1024n],
    ['1.0', 1n],
    ['0.1G', 107374182n],
    ['0x200', 512n],
    ['0X1fff', 8191n],
    ['+5', 5n],
    [' 5', 5n],
    ['18446744073709551615', (1n << 64n) - 1n],
  ])('%s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '.', 'x', '1x', '1kk', '1.5', '1.5b', '0x', '0x1k', 'k', '1 k', '5 '])('refuses "%s"', (text) => {
    expect(parseSize(text)).toBe('malformed');
  });

  it.each(['-1', '16E', '18446744073709551616', '0x10000000000000000'])('%s is out of range', (text) => {
    expect(parseSize(text)).toBe('out of range');
  });
});

describe('sizes as they are printed', () => {
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '0.977 KiB'],
    [1024, '1 KiB'],
    [200704, '196 KiB'],
    [1024000, '0.977 MiB'],
    [67108864, '64 MiB'],
    [1152, '1.12 KiB'],
    [1160, '1.13 KiB'],
    [1023487, '999 KiB'],
    [1023488, '1e+03 KiB'],
    [102297, '99.9 KiB'],
    [102349, '100 KiB'],
    [102400, '100 KiB'],
    [2 ** 40, '1 TiB'],
    [2 ** 50, '1 PiB'],
    [1.5 * 2 ** 30, '1.5 GiB'],
  ])('%d', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
