/** The files of a new image: the one that the user names, and in a folder also those that the format makes beside it. */
import { MeteredStore } from './meter.js';
import type { Traffic } from './picked-file.js';
import { lastPart, type NewFiles } from './platform.js';
import type { ConvertReport, TargetPlace } from './protocol.js';
import { openTarget, openTargetIn, type Target } from './target.js';

/** Nothing happens to the files before the command creates them. */
export class TargetFiles implements NewFiles {
  /** By their names in the folder, in the order in which they were made. */
  readonly #made = new Map<string, Target>();

  /**
   * `name` is what the commands call the image. `onFinalising` is told when all is written and only the browser's own
   * work is left, if that takes long.
   */
  constructor(
    private readonly name: string,
    private readonly place: TargetPlace,
    private readonly traffic: Traffic,
    private readonly onFinalising: () => void,
  ) {}

  takes(path: string): boolean {
    return this.place.kind === 'directory' || path === this.name;
  }

  /** Opens a file that it takes. Throws what opening it throws. */
  async create(path: string): Promise<Target> {
    const { place, onFinalising } = this;
    const name = lastPart(path);
    const target = await (place.kind === 'directory'
      ? openTargetIn(place, name)
      : openTarget(place, name, onFinalising));
    this.#made.set(name, target);
    return { ...target, store: new MeteredStore(path, target.store, this.traffic.meter) };
  }

  /** What there is in the end. */
  written(): Pick<ConvertReport, 'fileSize' | 'files'> {
    const files = [...this.#made].map(([name, { store }]) => ({ name, size: store.size }));
    return { fileSize: files.reduce((sum, { size }) => sum + size, 0), files };
  }

  /** After a failure, when they have been closed. */
  async remove(): Promise<void> {
    for (const target of this.#made.values()) await target.remove();
  }
}
