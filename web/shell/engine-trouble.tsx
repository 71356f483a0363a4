/** Said above everything else: nothing can be converted without the engine. */
import { engineTrouble, loadFormats } from './engine.js';
import { Notice } from './notice.js';

export function EngineTrouble() {
  if (engineTrouble.value === null) return null;
  return (
    <div role="alert">
      <Notice kind="bad">
        <p>A part of this page is missing, and nothing can be converted without it. {engineTrouble.value}.</p>
        <button type="button" onClick={() => void loadFormats()}>
          Try again
        </button>
      </Notice>
    </div>
  );
}
