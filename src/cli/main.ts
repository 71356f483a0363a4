/**
 * The program behind `start.ts`.
 *
 * Everything heavy (kernels, workers, the C library) is made when it is used, so that little is done for a little question.
 */
import { nodePlatform } from '../platform/node/platform.js';
import { threadPool } from '../platform/node/thread-pool.js';
import { hasOddNames } from './arguments.js';
import { runCommandLine } from './command-line.js';
import { guardOutput } from './output.js';
import { printError } from './program.js';

guardOutput(printError);
threadPool.fit();
// A program that waits for what never comes ends, and Node calls that success: it is one once the work says so.
process.exitCode = 1;
run().then((code) => {
  process.exitCode = code;
});

async function run(): Promise<number> {
  const args = process.argv.slice(2);
  if (!hasOddNames(args)) return runCommandLine(args, nodePlatform);
  printError('file names and other arguments that are not UTF-8 are not supported');
  return 1;
}
