/** Puts the library into somebody's page before the tests: bundled by Vite, and as plain files. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const USER = 'test/browser/user';
const PLAIN = 'build/library-plain';

export default function buildUser(): void {
  const args = ['--no-install', 'vite', 'build', '--config', `${USER}/vite.config.mjs`, '--logLevel', 'warn'];
  execFileSync('npx', args, { stdio: 'inherit' });
  rmSync(PLAIN, { recursive: true, force: true });
  cpSync(USER, PLAIN, { recursive: true });
  cpSync('dist/web', `${PLAIN}/diskloom`, { recursive: true });
  const script = readFileSync(`${USER}/main.js`, 'utf8');
  writeFileSync(`${PLAIN}/main.js`, script.replace('diskloom/web', './diskloom/index.mjs'));
}
