/** Telling VMDK files by their beginning, by QEMU's rules. */
import type { ProbeInput } from '../../image/driver.js';
import { kindOf } from './sparse-header.js';

/** Bytes of a file that decide; a descriptor's comments may not be longer. */
const HEAD = 2048;

/** A descriptor begins with comments and blank lines; then comes its version. */
const DESCRIPTOR = /^(?:#[^\n]*\n| +\r?\n)*version=[123]\r?\n/;

/** 100: a sparse extent's magic number, or a descriptor. */
export function probe({ head }: ProbeInput): number {
  if (kindOf(head) !== 'other') return 100;
  const text = new TextDecoder('latin1').decode(head.subarray(0, HEAD));
  return DESCRIPTOR.test(text) ? 100 : 0;
}
