/** The page: one form, one conversion at a time. */
import { type ConvertProgress, convert, download, ImageError, Workspace } from '../src/platform/web/index.js';

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} '${id}'`);
  return found;
}

const form = element('form', HTMLFormElement);
const fileInput = element('file', HTMLInputElement);
const formatSelect = element('format', HTMLSelectElement);
const nameInput = element('name', HTMLInputElement);
const compressBox = element('compress', HTMLInputElement);
const convertButton = element('convert', HTMLButtonElement);
const cancelButton = element('cancel', HTMLButtonElement);
const saveButton = element('save', HTMLButtonElement);
const progressBar = element('progress', HTMLProgressElement);
const amountLine = element('amount', HTMLParagraphElement);
const statusLine = element('status', HTMLParagraphElement);

const EXTENSIONS: Readonly<Record<string, string>> = { raw: 'img', qcow2: 'qcow2' };

/** The room for results, opened at once so that leftovers go even if nothing is converted. */
const workspace = Workspace.open();
workspace.catch(showFailure);

/** Cancels the conversion that is under way. */
let running: AbortController | null = null;
/** The last result, in OPFS until the next conversion begins. */
let result: FileSystemFileHandle | null = null;
/** The user has typed a name of their own. */
let nameIsTheirs = false;

fileInput.addEventListener('change', () => {
  const file = fileInput.files?.[0];
  // The browser looks at a file when it is first asked for its size: only from now on does it notice changes.
  amountLine.textContent = file === undefined ? '' : sizeText(file.size);
  formatSelect.value = /\.qcow2$/i.test(file?.name ?? '') ? 'raw' : 'qcow2';
  suggestName();
});
formatSelect.addEventListener('change', suggestName);
nameInput.addEventListener('input', () => {
  nameIsTheirs = nameInput.value !== '';
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  const file = fileInput.files?.[0];
  if (file !== undefined && running === null) start(file);
});
cancelButton.addEventListener('click', () => running?.abort());
saveButton.addEventListener('click', async () => {
  if (result !== null) download(await result.getFile(), nameInput.value);
});
window.addEventListener('beforeunload', (event) => {
  if (running !== null) event.preventDefault();
});

/** The source's name with the ending of the chosen format. */
function suggestName(): void {
  compressBox.disabled = formatSelect.value === 'raw';
  const source = fileInput.files?.[0]?.name;
  if (source === undefined || nameIsTheirs) return;
  nameInput.value = `${source.replace(/\.(img|raw|bin|qcow2)$/i, '')}.${EXTENSIONS[formatSelect.value]}`;
}

async function start(file: File): Promise<void> {
  running = new AbortController();
  showRunning(true);
  showStatus('Converting');
  try {
    result = await convertFile(file, running.signal);
    showStatus('Done');
  } catch (error) {
    showFailure(error);
  }
  running = null;
  showRunning(false);
}

async function convertFile(file: File, signal: AbortSignal): Promise<FileSystemFileHandle> {
  const room = await workspace;
  if (result !== null) await room.remove(result);
  result = null;
  const target = await room.createFile();
  const format = formatSelect.value;
  const compress = compressBox.checked && format !== 'raw';
  const targetName = nameInput.value;
  try {
    await convert(file, target, { format, targetName, compress, signal, onProgress: showProgress });
  } catch (error) {
    await room.remove(target);
    throw error;
  }
  const { size } = await target.getFile();
  amountLine.textContent = `${sizeText(file.size)} became ${sizeText(size)}`;
  return target;
}

function showRunning(isRunning: boolean): void {
  for (const control of [fileInput, formatSelect, nameInput, convertButton]) control.disabled = isRunning;
  compressBox.disabled = isRunning || formatSelect.value === 'raw';
  cancelButton.disabled = !isRunning;
  saveButton.disabled = isRunning || result === null;
  if (isRunning) showProgress({ phase: 'converting', done: 0, total: 0 });
}

function showProgress({ phase, done, total }: ConvertProgress): void {
  progressBar.value = total === 0 ? 0 : done / total;
  amountLine.textContent = total === 0 ? '' : `${sizeText(done)} of ${sizeText(total)}`;
  if (phase === 'finalising') showStatus('Finalising');
}

function showStatus(text: string, failed = false): void {
  statusLine.textContent = text;
  statusLine.classList.toggle('failed', failed);
}

function showFailure(error: unknown): void {
  amountLine.textContent = '';
  progressBar.value = 0;
  showStatus(`Failed: ${error instanceof Error ? error.message : String(error)}`, true);
  if (!(error instanceof ImageError)) console.error(error);
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 GiB`. */
function sizeText(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}
