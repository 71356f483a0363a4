/** Files that the operating system opens with the installed app. */

interface LaunchParams {
  readonly files: readonly FileSystemFileHandle[];
}

declare global {
  interface Window {
    launchQueue?: { setConsumer(consumer: (params: LaunchParams) => void): void };
  }
}

/** Hands over the files of every launch, those before this call too. */
export function onLaunch(take: (files: File[]) => void): void {
  window.launchQueue?.setConsumer(async ({ files }) => {
    if (files.length > 0) take(await Promise.all(files.map((handle) => handle.getFile())));
  });
}
