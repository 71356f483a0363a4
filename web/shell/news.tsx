/** What the eye sees at once, for who listens. */

/** Spoken when `text` becomes another; always there, as what comes with its words already in it is not spoken. */
export function News({ text }: { text: string }) {
  return (
    <p class="unseen" aria-live="polite">
      {text}
    </p>
  );
}
