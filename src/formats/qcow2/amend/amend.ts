/**
 * Amending a qcow2 image: its version, the width of its refcounts, lazy refcounts, the name of its data file, the size
 * of its disk, the key slots of its encryption.
 *
 * The order matters, since some options need version 3 and others have to go before version 2: up first, down last.
 */
import { ImageError } from '../../../errors.js';
import type { AmendableImage, AmendRequest } from '../../../image/amend.js';
import type { DriverContext, EditRequest } from '../../../image/driver.js';
import { encryptionUnavailable } from '../../../image/encryption.js';
import { amendLuks } from '../../../image/luks/amend.js';
import type { ByteStore } from '../../../storage/storage.js';
import { openToWrite, type WritableQcow2 } from '../edit.js';
import { readContainer } from '../encryption.js';
import { QcowImage } from '../image.js';
import { AUTOCLEAR, COMPATIBLE } from '../layout.js';
import { MetadataFile } from '../metadata-file.js';
import { downgrade } from './downgrade.js';
import { type AmendPlan, amendPlan } from './options.js';
import { AmendProgress } from './progress.js';
import { changeRefcountOrder } from './refcount-order.js';
import { resizeDisk } from './resize.js';
import { completeSnapshots } from './upgrade.js';

const KEY_OPTION = 'encrypt.key-secret';

/** What an image was opened with. */
interface Opening {
  store: ByteStore;
  request: EditRequest;
  context: DriverContext;
}

/** Opens the image in `store` to be amended; a dirty one is repaired. Throws as opening for writing does. */
export async function amendQcow2(
  store: ByteStore,
  request: EditRequest,
  context: DriverContext,
): Promise<AmendableQcow2> {
  return new AmendableQcow2(await openToWrite(store, request, context), { store, request, context });
}

class AmendableQcow2 extends QcowImage implements AmendableImage {
  #file: MetadataFile;

  constructor(
    { parts, writing }: WritableQcow2,
    private readonly opening: Opening,
  ) {
    super(parts);
    this.#file = new MetadataFile(writing, parts.snapshots, opening.request.flush, opening.context.events);
  }

  async amend(request: AmendRequest): Promise<void> {
    const { header } = this.#file;
    const plan = amendPlan(request.options, header);
    const progress = new AmendProgress(request.onProgress);
    const steps = [plan.version !== header.version, plan.refcountBits !== 2 ** header.refcountOrder, plan.encryption];
    progress.expect(steps.filter((isDue) => isDue).length);
    // As any program that writes to an image without knowing what these bits stand for.
    header.autoclearFeatures &= AUTOCLEAR.bitmaps | AUTOCLEAR.rawData;
    if (plan.version > header.version) await this.#upgrade(progress);
    if (plan.encryption) await this.#changeKeys(request);
    await this.#changeRefcounts(plan, progress);
    await this.#changeHeader(plan);
    if (plan.size !== null) await resizeDisk(this.#file, this.parts, this.opening.request, plan.size);
    if (plan.version < this.#file.header.version) {
      progress.begin();
      await downgrade(this.#file, (done, work) => progress.update(done, work));
    }
    await this.#file.settle();
  }

  async #upgrade(progress: AmendProgress): Promise<void> {
    const { store, request, context } = this.opening;
    progress.begin();
    progress.update(0, 2);
    if (await completeSnapshots(store, this.#file.header, request.flush)) {
      const { parts, writing } = await openToWrite(store, request, context);
      this.#file = new MetadataFile(writing, parts.snapshots, request.flush, context.events);
    }
    progress.update(1, 2);
    this.#file.header.version = 3;
    await this.#file.writeHeader();
    progress.update(2, 2);
  }

  async #changeKeys({ options, force }: AmendRequest): Promise<void> {
    const { store, request, context } = this.opening;
    if (context.encryption === undefined) throw encryptionUnavailable();
    const container = await readContainer(store, this.#file.header);
    const opening = { name: KEY_OPTION, id: context.runtimeOptions?.[KEY_OPTION] };
    await amendLuks(
      context.encryption,
      { store, ...container, opening, flush: request.flush },
      options,
      'encrypt.',
      force,
    );
  }

  async #changeRefcounts({ version, refcountBits }: AmendPlan, progress: AmendProgress): Promise<void> {
    const order = Math.log2(refcountBits);
    if (order === this.#file.header.refcountOrder) return;
    if (version < 3 && refcountBits !== 16)
      throw invalid(
        'Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)',
      );
    progress.begin();
    await changeRefcountOrder(this.#file, order, (done, work) => progress.update(done, work));
  }

  async #changeHeader(plan: AmendPlan): Promise<void> {
    const { header } = this.#file;
    const { extensions } = header;
    if (!plan.dataFileRaw) header.autoclearFeatures &= ~AUTOCLEAR.rawData;
    if (plan.dataFile !== undefined) extensions.dataFile = plan.dataFile;
    await this.#file.writeHeader();
    const namesBacking = plan.backingFile !== null || plan.backingFormat !== null;
    if (namesBacking && (plan.backingFile !== header.backingFile || plan.backingFormat !== extensions.backingFormat))
      throw invalid("Cannot amend the backing file\nYou can use 'qemu-img rebase' instead.");
    const isLazy = (header.compatibleFeatures & COMPATIBLE.lazyRefcounts) !== 0n;
    if (plan.lazyRefcounts === isLazy) return;
    if (plan.lazyRefcounts && plan.version < 3)
      throw invalid('Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)');
    header.compatibleFeatures ^= COMPATIBLE.lazyRefcounts;
    await this.#file.writeHeader();
  }
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
