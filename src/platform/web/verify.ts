/** Reading a finished image back, beside what it was made of; runs in a dedicated worker. */
import { ImageOpener } from '../../commands/open.js';
import type { OpenSettings } from '../../commands/settings.js';
import { loadSnapshot } from '../../commands/snapshots.js';
import { verifyDisk } from '../../commands/verify.js';
import type { Image } from '../../image/image.js';
import { instantiate } from '../../kernels/inline.js';
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
  { traffic, host, signal }: Control,
): Promise<Verification> {
  const settings: OpenSettings = { cache: 'unsafe', share: false, chain: true, content: true, signal };
  const hash = new Sha256(instantiate(await loadKernels(), ARENA_BYTES));
  const copy = copyRequest(source, target);
  const picked = new Map([...pickedFiles(source), ...pickedFiles(copy)]);
  const kernels = await createWebKernels({ host });
  try {
    const platform = webPlatform(kernels, { picked, target: null, traffic });
    return await ImageOpener.use(platform, trustOf(source), async (opener) => {
      const open = async (request: SourceRequest): Promise<Image> => {
        const node = await opener.open(imageName(request), settings);
        const { snapshot } = request;
        return opener.disk(node, snapshot === null ? undefined : await loadSnapshot(node, { idOrName: snapshot }));
      };
      const difference = await verifyDisk(await open(source), await open(copy), kernels, {
        onBytes: (bytes) => hash.update(bytes),
        onProgress: everySoOften(onStep),
        signal,
      });
      return { difference, sha256: difference === null ? hash.digest() : null };
    });
  } finally {
    await kernels.close();
  }
}

/** The copy, under a name that no file of the source has. */
function copyRequest(
  { secrets }: SourceRequest,
  { name, blob, format, options }: VerifyRequest['target'],
): SourceRequest {
  const own = `copy of ${name}`;
  return { name: own, files: [{ name: own, content: blob }], format, options, secrets, snapshot: null };
}
