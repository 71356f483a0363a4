// What the processes of a program take, as /proc tells.
import { readdirSync, readFileSync } from 'node:fs';

const PAGE = 4096;

/** The sum of the resident sizes, in bytes, of all processes whose command line names `text` or whose ancestor's does. */
export function residentBytes(text) {
  const processes = new Map();
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${id}/cmdline`, 'utf8');
      // The name in parentheses may hold anything.
      const parent = readFileSync(`/proc/${id}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[1];
      const resident = Number(readFileSync(`/proc/${id}/statm`, 'utf8').split(' ')[1]) * PAGE;
      processes.set(id, { parent, resident, named: command.includes(text) && command.includes('chrom') });
    } catch {
      // It has ended meanwhile.
    }
  }
  const belongs = (id) => {
    const process = processes.get(id);
    return process !== undefined && (process.named || belongs(process.parent));
  };
  return [...processes].reduce((sum, [id, { resident }]) => sum + (belongs(id) ? resident : 0), 0);
}
