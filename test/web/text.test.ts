import { describe, expect, it } from 'vitest';
import { exactSize } from '../../web/shell/text.js';

describe('exactSize', () => {
  it.each([0, 7, 999, 1000, 65_536, 999_999, 1_000_000, 4_294_967_296, 2 ** 53 - 1])(
    '%d as English writes it',
    (bytes) => {
      expect(exactSize(bytes)).toBe(`${bytes.toLocaleString('en')} bytes`);
    },
  );
});
