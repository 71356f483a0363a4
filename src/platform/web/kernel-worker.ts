/** Entry of a kernel worker in the browser. */
import { serveKernels } from '../../kernels/worker.js';

serveKernels(globalThis as unknown as DedicatedWorkerGlobalScope);
