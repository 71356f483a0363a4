/** The cloop driver: compressed loop devices, version 2, as live systems once had them; to be read. */
import type { ImageDriver } from '../../image/driver.js';
import { isCloop, openCloop } from './open.js';

export const cloop: ImageDriver = {
  name: 'cloop',
  createOptions: [],
  compresses: false,
  backing: false,
  probe: ({ head }) => (isCloop(head) ? 2 : 0),
  open: openCloop,
};
