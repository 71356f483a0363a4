/** Where files come in: a native file input, the whole window as a place to drop them, and a web address. */
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { AddressField } from './address.js';
import { droppedFiles } from './files.js';
import './drop-zone.css';
import { addFiles, addMissing, chosen, looking } from './intake.js';

const fileInputId = 'file';

/** Chosen by a button for the file that is missing; else, files of any kind. */
let isForMissing = false;

/** Opens the dialog for the file that the image at hand needs. Called in a click. */
export function chooseMissing(): void {
  const input = document.getElementById(fileInputId);
  input?.click();
  isForMissing = true;
}

export function DropZone() {
  const over = useSignal(false);
  const cameEmpty = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  useDrop(
    (isOver) => {
      over.value = isOver;
    },
    (files) => {
      cameEmpty.value = files.length === 0;
      void addFiles(files);
    },
  );
  useSignalEffect(() => {
    // The same file may be chosen again, changed.
    if (looking.value === 0 && input.current) input.current.value = '';
  });
  const isEmpty = chosen.value === null;
  return (
    <div class={`drop-zone${isEmpty ? ' empty' : ''}${over.value ? ' over' : ''}`}>
      {isEmpty && <DropMark />}
      <div class="drop-words">
        <label for={fileInputId}>Disk image</label>
        <p>{isEmpty ? 'Drop it anywhere on this page, with its parts and backing files, or' : 'Another one:'}</p>
      </div>
      <input
        ref={input}
        id={fileInputId}
        type="file"
        multiple
        onClick={() => {
          isForMissing = false;
          cameEmpty.value = false;
        }}
        onChange={(event) => void (isForMissing ? addMissing : addFiles)([...(event.currentTarget.files ?? [])])}
      />
      <AddressField />
      {cameEmpty.value && (
        <p class="bad" aria-live="polite">
          There was no file in what you dropped.
        </p>
      )}
    </div>
  );
}

function DropMark() {
  return (
    <svg class="drop-mark" viewBox="0 0 64 64" aria-hidden="true">
      <path d="M32 10v30m0 0 11-11M32 40 21 29" />
      <path d="M10 42v8a4 4 0 0 0 4 4h36a4 4 0 0 0 4-4v-8" />
    </svg>
  );
}

/** Files may be dropped anywhere; `onOver` hears whether some are above the page, `take` which ones came. */
function useDrop(onOver: (isOver: boolean) => void, take: (files: File[]) => void): void {
  useEffect(() => {
    const done = new AbortController();
    const { signal } = done;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const hold = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      onOver(true);
    };
    window.addEventListener('dragenter', hold, { signal });
    window.addEventListener('dragover', hold, { signal });
    window.addEventListener('dragleave', (event) => event.relatedTarget === null && onOver(false), { signal });
    window.addEventListener(
      'drop',
      (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        onOver(false);
        void droppedFiles(event.dataTransfer!).then(take);
      },
      { signal },
    );
    return () => done.abort();
  }, []);
}
