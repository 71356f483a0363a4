/** Entry of a kernel worker in the browser. */
import { serveKernels } from '../../kernels/worker.js';
import { serveHelper } from './serve-helper.js';

serveHelper(serveKernels);
