/**
 * Kernels for the browser: the module is fetched once and handed to a pool of workers.
 *
 * Where the page is cross-origin isolated the workers share the engine's memory and messages carry no bytes; anywhere
 * else bytes are transferred, with the same results.
 */
import type * as Comlink from 'comlink';
import { ImageError } from '../../errors.js';
import { InlineKernels, type KernelModule } from '../../kernels/inline.js';
import type { Kernels } from '../../kernels/kernels.js';
import { KernelPool, type KernelWorkerHandle } from '../../kernels/pool.js';
import { type HelperHost, startHelper } from './helpers.js';

export interface WebKernelOptions {
  /** Workers at most; default: one a processor. 0: all work is done on the calling thread. */
  workers?: number | undefined;
  /** Starts them; absent: there are none. */
  host?: Comlink.Remote<HelperHost>;
}

/** Loads the module; workers start with the first work for them. Throws `io` if the module cannot be had. */
export async function createWebKernels(options: WebKernelOptions = {}): Promise<Kernels> {
  const { host, workers = navigator.hardwareConcurrency } = options;
  const module = await loadKernels();
  if (host === undefined || workers === 0) return new InlineKernels(module);
  return new KernelPool({ module, workers, spawn: () => spawn(host) });
}

/** The same, with all workers started. */
export async function startWebKernels(options: WebKernelOptions): Promise<Kernels> {
  const kernels = await createWebKernels(options);
  if (kernels instanceof KernelPool) kernels.start();
  return kernels;
}

/** The compiled module, shared memory or not as the page has it. Throws `io` if it cannot be had. */
export async function loadKernels(): Promise<KernelModule> {
  const shared = globalThis.crossOriginIsolated;
  const url = shared
    ? new URL('../../../build/kernels-shared.wasm', import.meta.url)
    : new URL('../../../build/kernels.wasm', import.meta.url);
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    // Not compileStreaming: some hosts serve wasm without its media type, which that refuses.
    return { module: await WebAssembly.compile(await response.arrayBuffer()), shared };
  } catch (cause) {
    throw new ImageError('io', 'The kernels could not be loaded', { cause });
  }
}

function spawn(host: Comlink.Remote<HelperHost>): KernelWorkerHandle {
  let report: (cause: Error) => void = () => {};
  const { endpoint, stop } = startHelper(host, 'kernel', (cause) => report(cause));
  return {
    endpoint,
    terminate: stop,
    onFailure: (tell) => {
      report = tell;
    },
  };
}
