/** The kernel worker in Node: a thread that serves the pool through its parent port. */
import { parentPort } from 'node:worker_threads';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { serveKernels } from '../../kernels/worker.js';

if (parentPort !== null) serveKernels(nodeEndpoint(parentPort));
