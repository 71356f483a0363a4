/** Limits a rate of bytes: what `convert -r` asks for. */
export class Throttle {
  /** Milliseconds of `now()` at which everything let through so far will have been paid for. */
  #paidUntil = 0;

  /**
   * @param rate bytes a second
   * @param burst bytes that may pass ahead of the rate
   */
  constructor(
    private readonly rate: number,
    private readonly burst: number = rate / 10,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Books `bytes` and tells how many milliseconds to wait before sending them. */
  delay(bytes: number): number {
    const now = this.now();
    const wait = Math.max(0, this.#paidUntil - now - (this.burst / this.rate) * 1000);
    this.#paidUntil = Math.max(this.#paidUntil, now) + (bytes / this.rate) * 1000;
    return wait;
  }
}
