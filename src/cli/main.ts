/**
 * The program behind `start.ts`.
 *
 * Everything heavy (kernels, workers, the C library) is made when it is used, so that little is done for a little question.
 */
import { nodePlatform } from '../platform/node/platform.js';
import { threadPool } from '../platform/node/thread-pool.js';
import { runCommandLine } from './command-line.js';
import { guardOutput } from './output.js';
import { printError } from './program.js';

guardOutput(printError);
threadPool.fit();
runCommandLine(process.argv.slice(2), nodePlatform).then((code) => {
  process.exitCode = code;
});
