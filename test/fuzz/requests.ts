/** A conversion as the command line asks for it when no options are given. */
import { CONVERT_DEFAULTS, type ConvertRequest } from '../../src/commands/convert.js';

export function convertRequest(source: string, target: string, targetFormat: string): ConvertRequest {
  return { ...CONVERT_DEFAULTS, sources: [source], target, targetFormat };
}
