// What the processes of a program take, as /proc tells.
import { readdirSync, readFileSync } from 'node:fs';

const PAGE = 4096;
const TICKS_A_SECOND = 100;

/** The fields of /proc/PID/stat from the third on; the second, a name in parentheses, may hold anything. */
function statOf(id) {
  return readFileSync(`/proc/${id}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
}

/** All processes of the browser whose command line names `profile`, and those that descend from them. */
function processesOf(profile) {
  const processes = new Map();
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${id}/cmdline`, 'utf8');
      const stat = statOf(id);
      const resident = Number(readFileSync(`/proc/${id}/statm`, 'utf8').split(' ')[1]) * PAGE;
      const named = command.includes(profile) && command.includes('chrom');
      processes.set(id, { parent: stat[1], ticks: Number(stat[11]) + Number(stat[12]), resident, named });
    } catch {
      // It has ended meanwhile.
    }
  }
  const belongs = (id) => {
    const process = processes.get(id);
    return process !== undefined && (process.named || belongs(process.parent));
  };
  return [...processes].filter(([id]) => belongs(id)).map(([, process]) => process);
}

/** The sum of the resident sizes, in bytes. */
export function residentBytes(profile) {
  return processesOf(profile).reduce((sum, { resident }) => sum + resident, 0);
}

/** Processor time so far, in seconds, of those that live. */
export function processorSeconds(profile) {
  return processesOf(profile).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_A_SECOND;
}

/** Processor time, in seconds, of this program's children that have ended. */
export function childSeconds() {
  const stat = statOf('self');
  return (Number(stat[13]) + Number(stat[14])) / TICKS_A_SECOND;
}
