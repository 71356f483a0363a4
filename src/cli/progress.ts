/**
 * Progress of a conversion.
 *
 * With -p and a terminal: one line, redrawn in place. With -p and anything else: the bytes that `qemu-img` prints, which
 * programs read. Without -p: a line on standard error for each SIGUSR1.
 */
import { formatSize } from '../commands/sizes.js';

export interface Progress {
  /** The work begins. */
  start(): void;
  /** Bytes done, of all. */
  update(done: number, total: number): void;
  /** It has ended, well or not. */
  end(success: boolean): void;
}

/** The part of a terminal or pipe that is needed. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

function percent(done: number, total: number): number {
  return total === 0 ? 100 : Math.min(100, (100 * done) / total);
}

/** `    (12.34/100%)` and a carriage return, whenever it has moved by more than a step. */
export class PipeProgress implements Progress {
  #shown = 0;

  /**
   * @param step points of a hundred
   * @param isLiteral each 0 and 100 is shown, and falling back by more than a step
   */
  constructor(
    private readonly output: Output,
    private readonly step = 1,
    private readonly isLiteral = false,
  ) {}

  start(): void {
    this.#show(0);
  }

  update(done: number, total: number): void {
    const now = percent(done, total);
    const isEnd = this.isLiteral ? now === 0 || now === 100 : now === 100 && this.#shown < 100;
    const hasFallen = this.isLiteral && now < this.#shown - this.step;
    if (now > this.#shown + this.step || hasFallen || isEnd) this.#show(now);
  }

  end(success: boolean): void {
    if (success) this.#show(100);
    this.output.write('\n');
  }

  #show(value: number): void {
    this.#shown = value;
    this.output.write(`    (${twoPlaces(value)}/100%)\r`);
  }
}

/** As C prints it: what lies half way between two numbers becomes the even one. */
function twoPlaces(value: number): string {
  const isHalfWay = Number.isInteger(200 * value) && !Number.isInteger(100 * value);
  return (isHalfWay ? (2 * Math.round(50 * value)) / 100 : value).toFixed(2);
}

/**
 * What -p shows: a bar on a terminal, `qemu-img`'s bytes anywhere else.
 *
 * @param step points of a hundred between two of its outputs
 * @param isLiteral as for `PipeProgress`
 */
export function visibleProgress(output: Output, step?: number, isLiteral?: boolean): Progress {
  return output.isTTY ? new BarProgress(output) : new PipeProgress(output, step, isLiteral);
}

/** Milliseconds between two drawings of the bar. */
const REDRAW = 100;

/** Columns that a bar needs to be of use. */
const NARROWEST_BAR = 8;

/** A bar with percentage, rate and time left, as wide as the terminal. */
export class BarProgress implements Progress {
  #begun = 0;
  #drawn = Number.NEGATIVE_INFINITY;
  #done = 0;
  #total = 0;

  constructor(
    private readonly output: Output,
    private readonly now: () => number = () => performance.now(),
  ) {}

  start(): void {
    this.#begun = this.now();
    this.#draw();
  }

  update(done: number, total: number): void {
    this.#done = done;
    this.#total = total;
    if (this.now() - this.#drawn >= REDRAW) this.#draw();
  }

  end(success: boolean): void {
    if (success) this.#done = this.#total;
    this.#draw();
    this.output.write('\n');
  }

  #draw(): void {
    this.#drawn = this.now();
    this.output.write(`\r${this.#line(this.output.columns ?? 80)}\u001b[K`);
  }

  /** The last column stays empty: writing into it wraps the line on some terminals. */
  #line(columns: number): string {
    const done = this.#total === 0 && this.#done === 0 ? 0 : percent(this.#done, this.#total);
    const numbers = `${done.toFixed(0).padStart(3)}%`;
    const seconds = (this.now() - this.#begun) / 1000;
    const rate = seconds > 0 ? this.#done / seconds : 0;
    const left = rate > 0 ? (this.#total - this.#done) / rate : Number.POSITIVE_INFINITY;
    const text = ` ${formatSize(Math.round(rate))}/s  ${duration(left)} left`;
    const width = columns - 1 - numbers.length - text.length - 3;
    if (width < NARROWEST_BAR) return (numbers + text).slice(0, Math.max(numbers.length, columns - 1));
    const filled = Math.floor((width * done) / 100);
    return `${numbers} [${'#'.repeat(filled)}${'-'.repeat(width - filled)}]${text}`;
  }
}

/** `0:07`, `12:30`, `3:05:00`; `-:--` if nobody knows. */
function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-:--';
  const whole = Math.ceil(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Silent until asked: then the next step is told in a line. */
export class OnDemandProgress implements Progress {
  #asked = false;

  constructor(private readonly output: Output) {}

  /** A signal has asked. */
  ask(): void {
    this.#asked = true;
  }

  start(): void {}

  update(done: number, total: number): void {
    if (!this.#asked) return;
    this.#asked = false;
    this.output.write(`    (${percent(done, total).toFixed(2)}/100%)\n`);
  }

  end(): void {}
}
