/** `node manual.mjs FOLDER`: the last step of the build. */
import { writeManual } from './index.js';

writeManual(process.argv[2] ?? 'dist');
