/** A word to the user that stands out: a warning, or why something cannot go on. */
export function Notice({ kind, children }: { kind: 'warn' | 'bad'; children: preact.ComponentChildren }) {
  return <div class={`notice ${kind}`}>{typeof children === 'string' ? <p>{children}</p> : children}</div>;
}
