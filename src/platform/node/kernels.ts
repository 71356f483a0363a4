/** Kernels for Node: the embedded module, instantiated at first use, and a pool of worker threads. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import workerCode from 'virtual:kernel-worker';
import wasmBase64 from 'virtual:kernels-wasm';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { InlineKernels, type KernelModule } from '../../kernels/inline.js';
import type { Kernels } from '../../kernels/kernels.js';
import { LazyKernels } from '../../kernels/lazy.js';
import { KernelPool, type KernelWorkerHandle } from '../../kernels/pool.js';

export interface NodeKernelOptions {
  /** Worker threads at most; default: one a processor. 0: all work is done on the calling thread. */
  workers?: number;
}

/** Kernels that cost nothing until they are used. */
export function createNodeKernels(options: NodeKernelOptions = {}): Kernels {
  const workers = options.workers ?? availableParallelism();
  return new LazyKernels(Math.max(1, workers), () => {
    const module = compile();
    return workers === 0 ? new InlineKernels(module) : new KernelPool({ module, workers, spawn });
  });
}

function compile(): KernelModule {
  return { module: new WebAssembly.Module(Buffer.from(wasmBase64, 'base64')), shared: true };
}

function spawn(): KernelWorkerHandle {
  const worker = new Worker(workerCode, { eval: true, name: 'diskloom kernels' });
  const endpoint = nodeEndpoint(worker);
  // An idle pool must not keep the program alive, a busy one must.
  worker.unref();
  return {
    endpoint,
    holdsWork: (busy) => (busy ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
    onFailure(report) {
      worker.once('error', report);
      worker.once('exit', (code) => report(new Error(`it ended with code ${code}`)));
    },
  };
}
