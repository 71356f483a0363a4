/**
 * Where the program starts.
 *
 * All but the version travels inside this file as text: parsing it takes half as long as Node itself takes to start, and
 * scripts ask for the version often. Beside the file may lie what V8 made of that text when it was built (a code cache);
 * where it is missing, or of another Node, the text is compiled.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import program, { cacheName } from 'virtual:program';
import { versionText } from './program.js';

const [first] = process.argv.slice(2);
if (first === '--version' || first === '-V') process.stdout.write(versionText());
else {
  const script = new Script(program, { filename: __filename, cachedData: codeCache() });
  script.runInThisContext()(require, __filename);
}

function codeCache(): Buffer | undefined {
  try {
    return readFileSync(join(__dirname, cacheName));
  } catch {
    return undefined;
  }
}
