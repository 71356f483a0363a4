/**
 * How far several operations are whose lengths become known one by one.
 *
 * Those to come are taken to be as long, on average, as those that are known.
 */
export class AmendProgress {
  #total = 0;
  /** Operations that have ended, and the work that was in them. */
  #ended = 0;
  #endedWork = 0;
  /** Work in the latest operation; null: none has begun. */
  #currentWork: number | null = null;
  #isNew = true;

  constructor(private readonly tell: (done: number, total: number) => void) {}

  /** There will be so many operations. */
  expect(operations: number): void {
    this.#total = operations;
  }

  /** Another operation begins. */
  begin(): void {
    this.#isNew = true;
  }

  /** Of `work` units of the operation, `done` are done. */
  update(done: number, work: number): void {
    if (this.#isNew && this.#currentWork !== null) {
      this.#endedWork += this.#currentWork;
      this.#ended++;
    }
    this.#isNew = false;
    this.#currentWork = work;
    const known = this.#endedWork + work;
    const foreseen = Math.floor((known * (this.#total - this.#ended - 1)) / (this.#ended + 1));
    this.tell(this.#endedWork + done, known + foreseen);
  }
}
