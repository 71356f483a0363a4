/** Requests as the command line makes them when no options are given. */
import type { ConvertRequest } from '../../src/commands/convert.js';

export function convertRequest(source: string, target: string, targetFormat: string): ConvertRequest {
  return {
    sources: [source],
    sourceFormat: null,
    imageOptions: false,
    snapshot: null,
    sourceCache: 'writeback',
    share: false,
    target,
    targetFormat,
    targetImageOptions: false,
    options: null,
    targetCache: 'unsafe',
    compress: false,
    backingFile: null,
    backingFormat: null,
    noCreate: false,
    targetIsZero: false,
    sparse: null,
    parallel: 8,
    outOfOrder: false,
    copyOffload: false,
    rate: 0,
    salvage: false,
    bitmaps: false,
    skipBrokenBitmaps: false,
    allowExternal: false,
  };
}
