/** A gate that reads go through: while it is closed they wait, and the conversion with them. */

export class Gate {
  #opened: Promise<void> | null = null;
  #open: () => void = () => {};

  /** Resolves when the gate is open; null: it is. */
  get closed(): Promise<void> | null {
    return this.#opened;
  }

  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#opened = null;
    this.#open();
  }
}
