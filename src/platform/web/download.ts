/** How long a download may take to begin; the browser holds the bytes by itself from then on. */
const HOLD_MS = 60_000;

/**
 * Lets the browser save `file` under `name`, as a click on a link would. A File of OPFS is streamed from disk: memory
 * stays flat whatever its size. Only in a page, not in a worker; the file must stay in OPFS until the download is done.
 */
export function download(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), HOLD_MS);
}
