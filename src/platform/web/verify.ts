/** Reading a finished image back, beside what it was made of; runs in a dedicated worker. */
import { ImageOpener } from '../../commands/open.js';
import type { OpenSettings } from '../../commands/settings.js';
import { loadSnapshot } from '../../commands/snapshots.js';
import { verifyDisk } from '../../commands/verify.js';
import type { Image } from '../../image/image.js';
import { instantiate } from '../../kernels/inline.js';
import type { Kernels } from '../../kernels/kernels.js';
import { Sha256 } from '../../kernels/sha256.js';
import type { Control } from './engine.js';
import { createWebKernels, loadKernels } from './kernels.js';
import { webPlatform } from './platform.js';
import type { OnStep, SourceRequest, Verification, VerifyRequest } from './protocol.js';
import { everySoOften } from './reports.js';
import { imageName, pickedFiles, trustOf } from './source.js';

/** The hash needs no room beside its own. */
const ARENA_BYTES = 65536;

/** Compares the two disks and hashes their content. Throws what opening and reading them throws. */
export async function runVerification(
  { source, target }: VerifyRequest,
  onStep: OnStep,
  control: Control,
): Promise<Verification> {
  const { host, signal } = control;
  const hash = new Sha256(instantiate(await loadKernels(), ARENA_BYTES));
  const kernels = await createWebKernels({ host });
  try {
    const difference = await withDisk(source, kernels, control, (original) =>
      withDisk(target, kernels, control, (copy) =>
        verifyDisk(original, copy, kernels, {
          onBytes: (bytes) => hash.update(bytes),
          onProgress: everySoOften(onStep),
          signal,
        }),
      ),
    );
    return { difference, sha256: difference === null ? hash.digest() : null };
  } finally {
    await kernels.close();
  }
}

/** Opens the disk of an image for `work`. Each has a platform of its own, so that neither finds the other's files. */
async function withDisk<T>(
  request: SourceRequest,
  kernels: Kernels,
  { traffic, signal }: Control,
  work: (disk: Image) => Promise<T>,
): Promise<T> {
  const settings: OpenSettings = { cache: 'unsafe', share: false, chain: true, content: true, signal };
  const platform = webPlatform(kernels, { picked: pickedFiles(request), target: null, traffic });
  return ImageOpener.use(platform, trustOf(request), async (opener) => {
    const node = await opener.open(imageName(request), settings);
    const { snapshot } = request;
    const layer = snapshot === null ? undefined : await loadSnapshot(node, { idOrName: snapshot });
    return work(await opener.disk(node, layer));
  });
}
