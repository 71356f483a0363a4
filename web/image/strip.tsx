/** The disk as a strip: where data lies, and how far a conversion has come. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Survey } from '../../src/platform/web/index.js';
import { percentText } from '../shell/text.js';
import './strip.css';
import { sharesOf } from './shares.js';

interface StripProps {
  /** null: nothing is known yet. */
  survey: Survey | null;
  /** Share of the disk that is converted; null: this is not about a conversion. */
  done?: number | null;
}

/** Canvas pixels a CSS pixel at most: sharper costs memory and shows nothing more. */
const MOST_DENSITY = 2;

export function Strip({ survey, done = null }: StripProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const paint = () => canvas.current && draw(canvas.current, survey, done);
  const latest = useRef(paint);
  latest.current = paint;
  // Before the browser paints, or it would paint twice.
  useLayoutEffect(() => void paint());
  useEffect(() => {
    const again = () => latest.current();
    const sizes = new ResizeObserver(again);
    sizes.observe(canvas.current!);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', again);
    return () => {
      sizes.disconnect();
      scheme.removeEventListener('change', again);
    };
  }, []);
  return <canvas ref={canvas} class="strip" role="img" aria-label={useText(survey)} />;
}

function useText(survey: Survey | null): string {
  if (survey === null) return 'Use of the disk: not known yet';
  const { data, zero } = sharesOf(survey);
  const rest = Math.max(0, 1 - data - zero);
  return `Use of the disk: ${percentText(data)} data, ${percentText(zero)} zeros, ${percentText(rest)} unallocated`;
}

/** The colours are those of the style sheet, light or dark. */
function draw(canvas: HTMLCanvasElement, survey: Survey | null, done: number | null): void {
  const density = Math.min(MOST_DENSITY, devicePixelRatio);
  const width = Math.round(canvas.clientWidth * density);
  const height = Math.round(canvas.clientHeight * density);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null || width === 0) return;
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(`--strip-${name}`);
  context.globalAlpha = 1;
  context.fillStyle = colour('empty');
  context.fillRect(0, 0, width, height);
  if (survey !== null) drawCells(context, survey, { width, height }, colour);
  if (done === null) return;
  const at = Math.round(done * width);
  context.globalAlpha = 0.72;
  context.fillStyle = colour('page');
  context.fillRect(at, 0, width - at, height);
  context.globalAlpha = 1;
  context.fillStyle = colour('front');
  if (done > 0 && done < 1) context.fillRect(Math.max(0, at - density), 0, 2 * density, height);
}

/** Each cell from below: plain data, compressed data, zeros. */
function drawCells(
  context: CanvasRenderingContext2D,
  { known, data, zero, compressed }: Survey,
  { width, height }: { width: number; height: number },
  colour: (name: string) => string,
): void {
  const parts = [
    { colour: colour('data'), share: (cell: number) => data[cell]! - compressed[cell]! },
    { colour: colour('compressed'), share: (cell: number) => compressed[cell]! },
    { colour: colour('zero'), share: (cell: number) => zero[cell]! },
  ];
  for (let cell = 0; cell < known; cell++) {
    const from = Math.floor((cell * width) / data.length);
    const to = Math.floor(((cell + 1) * width) / data.length);
    let bottom = height;
    for (const part of parts) {
      const share = part.share(cell);
      if (share <= 0) continue;
      // Little data in a cell is still to be seen.
      const tall = Math.min(bottom, Math.max(2, Math.round((share / 255) * height)));
      context.fillStyle = part.colour;
      context.fillRect(from, bottom - tall, Math.max(1, to - from), tall);
      bottom -= tall;
    }
  }
}

/** What the colours mean, with the shares. */
export function StripLegend({ survey, isRaw }: { survey: Survey | null; isRaw: boolean }) {
  if (survey === null) return <p class="strip-legend quiet">Looking at the map of the disk</p>;
  const { data, zero, compressed } = sharesOf(survey);
  if (isRaw) return <p class="strip-legend quiet">A raw image has no map: what is zero shows when it is read.</p>;
  const entries = [
    { kind: 'data', words: 'data', share: data - compressed },
    { kind: 'compressed', words: 'compressed data', share: compressed },
    { kind: 'zero', words: 'zeros', share: zero },
    { kind: 'empty', words: 'unallocated', share: Math.max(0, 1 - data - zero) },
  ].filter(({ share }) => share > 0);
  return (
    <ul class="strip-legend">
      {entries.map(({ kind, words, share }) => (
        <li key={kind}>
          <span class={`swatch ${kind}`} />
          {words} <b>{percentText(share)}</b>
        </li>
      ))}
    </ul>
  );
}
