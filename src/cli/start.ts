/**
 * Where the program starts.
 *
 * All but the version travels inside this file as text: parsing it takes a quarter as long as Node itself takes to start, and
 * scripts ask for the version often.
 */
import { Script } from 'node:vm';
import program from 'virtual:program';
import { versionText } from './program.js';

const [first] = process.argv.slice(2);
if (first === '--version' || first === '-V') process.stdout.write(versionText());
else {
  const wrapped = new Script(`(function (require, __filename) {${program}\n})`, { filename: __filename });
  wrapped.runInThisContext()(require, __filename);
}
