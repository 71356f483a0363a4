/** The VPC driver: VHD, the format of Virtual PC and of older Hyper-V, dynamic, fixed and differencing. */
import { FOUND_BY_END, type ImageDriver, type ProbeInput } from '../../image/driver.js';
import { createOptions, createVpc } from './create.js';
import { endFooterOffset, hasChecksum, hasCookie } from './footer.js';
import { FOOTER, FOOTER_SIZE, TYPE } from './layout.js';
import { editVpc, openVpc, runtimeOptions } from './open.js';

export const vpc: ImageDriver = {
  name: 'vpc',
  createOptions,
  runtimeOptions,
  compresses: false,
  backing: true,
  probe,
  open: openVpc,
  create: createVpc,
  edit: editVpc,
};

/** A fixed image is a disk like any other but for its footer, so that a format found at the beginning wins. */
function probe({ head, tail, size }: ProbeInput): number {
  if (hasCookie(head)) return 100;
  const footer = new Uint8Array(FOOTER_SIZE);
  const at = tail.length - (size - endFooterOffset(size));
  if (size <= FOOTER_SIZE || at < 0) return 0;
  footer.set(tail.subarray(at));
  return hasCookie(footer) && hasChecksum(footer) && FOOTER.read(footer).type === TYPE.fixed ? FOUND_BY_END : 0;
}
