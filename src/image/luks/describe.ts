/** What `info` tells of a LUKS header, in QEMU's names. */
import type { Json } from '../image.js';
import type { LuksHeader } from './header.js';
import { STRIPES } from './layout.js';

/** `format-specific` of a LUKS image, and `encrypt` of a qcow2 image that is encrypted so. */
export function describeLuks(header: LuksHeader): { [key: string]: Json } {
  const { algorithm, cipher, hash, uuid, payloadOffset, keyIterations, slots } = header;
  const { mode, generator, generatorHash } = cipher;
  return {
    'ivgen-alg': generator,
    'detached-header': false,
    ...(generatorHash === null ? {} : { 'ivgen-hash-alg': generatorHash }),
    'hash-alg': hash,
    'cipher-alg': algorithm,
    uuid,
    'cipher-mode': mode,
    slots: slots.map(
      ({ active, iterations, materialOffset }): Json =>
        active
          ? { active, iters: iterations, 'key-offset': materialOffset, stripes: STRIPES }
          : { active, 'key-offset': materialOffset },
    ),
    'payload-offset': payloadOffset,
    'master-key-iters': keyIterations,
  };
}
