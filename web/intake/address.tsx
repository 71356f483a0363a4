/** An image on a web server: it is read from there, part by part, as it is needed. */
import { useSignal, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { ImageError, openRemote } from '../../src/platform/web/index.js';
import './address.css';
import { addFiles, chosen } from './intake.js';

export function AddressField() {
  const asking = useSignal<AbortController | null>(null);
  const failure = useSignal<ImageError | null>(null);
  const input = useRef<HTMLInputElement>(null);
  useSignalEffect(() => {
    // Another image has come: what was wrong with an address is no news any more.
    if (chosen.value !== null) failure.value = null;
  });
  const open = async () => {
    const stop = new AbortController();
    asking.value = stop;
    failure.value = null;
    try {
      const file = await openRemote(input.current!.value, stop);
      input.current!.value = '';
      void addFiles([file]);
    } catch (thrown) {
      failure.value = thrown instanceof ImageError ? thrown : new ImageError('io', String(thrown));
    }
    asking.value = null;
  };
  return (
    <form
      class="address"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (asking.value === null) void open();
      }}
    >
      <label for="address">or a web address</label>
      <input
        ref={input}
        id="address"
        type="url"
        placeholder="https://"
        autocomplete="off"
        spellcheck={false}
        readOnly={asking.value !== null}
        aria-describedby="address-news"
      />
      {asking.value === null ? (
        <button type="submit">Open</button>
      ) : (
        <button type="button" onClick={() => asking.value?.abort()}>
          Stop
        </button>
      )}
      <p id="address-news" class="address-news" aria-live="polite">
        {asking.value !== null && 'Asking the server'}
        {failure.value !== null && failure.value.code !== 'aborted' && <Failure error={failure.value} />}
      </p>
    </form>
  );
}

function Failure({ error }: { error: ImageError }) {
  return (
    <span class="bad">
      {error.message}. {adviceFor(error)}
    </span>
  );
}

/** What to do instead. */
function adviceFor({ code }: ImageError): string {
  if (code === 'invalid' || code === 'not-found') return '';
  return 'Download the file with the browser, then choose it here.';
}
