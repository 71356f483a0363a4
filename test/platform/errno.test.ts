import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { errnoError, systemError } from '../../src/platform/node/errno.js';

describe('errors of the operating system', () => {
  it('have the texts of strerror', () => {
    const koffi = createRequire(import.meta.url)('koffi');
    const strerror = koffi.load(null).func('const char *strerror(int errnum)') as (errno: number) => string;
    const common = ['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR', 'ENOSPC', 'EFBIG', 'EIO', 'EDQUOT', 'EROFS', 'EINVAL'];
    const rare = ['ENXIO', 'EMFILE', 'EBUSY', 'ETXTBSY', 'EXDEV', 'EOPNOTSUPP', 'ENOLCK', 'ESTALE', 'ECONNREFUSED'];
    for (const name of [...common, ...rare]) {
      const errno = constants.errno[name as keyof typeof constants.errno];
      expect(errnoError(errno).message, name).toBe(strerror(errno));
    }
  });

  it('are told apart by code', () => {
    const codes = ['ENOENT', 'EACCES', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EEXIST', 'EPIPE'].map((code) => {
      const error = systemError(Object.assign(new Error('node words it so'), { code }), { file: 'a.raw', offset: 512 });
      expect(error).toMatchObject({ file: 'a.raw', offset: 512 });
      return (error as ImageError).code;
    });
    const expected = ['not-found', 'denied', 'denied', 'no-space', 'no-space', 'io', 'exists', 'disconnected'];
    expect(codes).toEqual(expected);
  });

  it('leave bugs and ImageErrors alone', () => {
    const bug = new TypeError('x is undefined');
    const image = new ImageError('corrupt', 'bad header');
    expect(systemError(bug)).toBe(bug);
    expect(systemError(image)).toBe(image);
  });

  it('word an error that the table does not list', () => {
    expect(errnoError(constants.errno.ENOTEMPTY).message).toBe('Directory not empty');
    expect(errnoError(9999).message).toBe('Unknown error 9999');
  });
});
