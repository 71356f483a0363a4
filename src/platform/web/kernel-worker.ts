/** Entry of a kernel worker in the browser; its name is that of its lifeline. */
import { serveKernels } from '../../kernels/worker.js';
import { holdLifeline, LIVING } from './lifeline.js';

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
serveKernels(scope);
void holdLifeline(scope.name).then(() => scope.postMessage(LIVING));
