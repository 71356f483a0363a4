import { describe, expect, it } from 'vitest';
import { BarProgress, OnDemandProgress, PipeProgress } from '../../src/cli/progress.js';

const MIB = 1024 * 1024;

/** Keeps what is written. */
class Screen {
  text = '';
  isTTY = true;

  constructor(public columns = 80) {}

  write(text: string): void {
    this.text += text;
  }
}

describe('progress for programs', () => {
  it('is told when it has moved by more than a point, and at the end twice, as qemu-img tells it', () => {
    const screen = new Screen();
    const progress = new PipeProgress(screen);
    progress.start();
    for (let done = 0; done <= 1000; done += 5) progress.update(done, 1000);
    progress.end(true);
    const values = [...screen.text.matchAll(/ {4}\((\d+\.\d\d)\/100%\)\r/g)].map((match) => Number(match[1]));
    expect(values.slice(0, 3)).toEqual([0, 1.5, 3]);
    expect(values.slice(-2)).toEqual([100, 100]);
    expect(screen.text.endsWith('\r\n')).toBe(true);
  });

  it('ends with the line alone where the work has failed', () => {
    const screen = new Screen();
    const progress = new PipeProgress(screen);
    progress.start();
    progress.end(false);
    expect(screen.text).toBe('    (0.00/100%)\r\n');
  });
});

describe('progress for people', () => {
  function draw(columns: number) {
    const screen = new Screen(columns);
    let now = 0;
    const progress = new BarProgress(screen, () => now);
    progress.start();
    now = 2000;
    progress.update(100 * MIB, 400 * MIB);
    // too soon after the last drawing
    now = 2050;
    progress.update(101 * MIB, 400 * MIB);
    return { screen, progress };
  }

  it('is one line, redrawn at intervals: share, rate and time left', () => {
    const { screen } = draw(60);
    const lines = screen.text.split('\r').slice(1);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^ 25% \[#+-+\] 50 MiB\/s {2}0:06 left/);
    expect(lines[1]?.endsWith('\u001b[K')).toBe(true);
    expect(screen.text).not.toContain('\n');
  });

  it.each([8, 20, 33, 40, 80, 200])('fits a terminal of %d columns', (columns) => {
    const { screen, progress } = draw(columns);
    progress.end(true);
    const lines = screen.text.split(/[\r\n]/).map((line) => line.replaceAll('\u001b[K', ''));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(columns);
    expect(lines.some((line) => line.startsWith('100%'))).toBe(true);
  });
});

describe('progress on demand', () => {
  it('is a line for each question', () => {
    const screen = new Screen();
    const progress = new OnDemandProgress(screen);
    progress.update(1, 10);
    progress.ask();
    progress.update(2, 10);
    progress.update(3, 10);
    expect(screen.text).toBe('    (20.00/100%)\n');
  });
});
