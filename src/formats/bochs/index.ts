/** The Bochs driver: growing images of the Bochs emulator; to be read. */
import type { ImageDriver } from '../../image/driver.js';
import { isBochs, openBochs } from './open.js';

export const bochs: ImageDriver = {
  name: 'bochs',
  createOptions: [],
  compresses: false,
  backing: false,
  probe: ({ head }) => (isBochs(head) ? 100 : 0),
  open: openBochs,
};
