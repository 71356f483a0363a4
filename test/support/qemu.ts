/** `qemu-img` and `qemu-io`, the judges: thin wrappers that throw with what the program said. */
import { spawnSync } from 'node:child_process';

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${status}: ${stderr.trim()}`);
  return stdout;
}

/** What `qemu-img` prints. */
export function qemuImg(...args: string[]): string {
  return run('qemu-img', args);
}

/** What `qemu-img` complains about: the first line on stderr, without the program's name. */
export function qemuImgError(...args: string[]): string {
  const { status, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  if (status === 0) throw new Error(`qemu-img ${args.join(' ')} succeeded`);
  return (stderr.split('\n')[0] ?? '').replace(/^qemu-img: /, '');
}

/** Runs `qemu-io` commands on an image; a failed command throws. */
export function qemuIo(file: string, format: string, ...commands: string[]): string {
  const output = run('qemu-io', ['-f', format, ...commands.flatMap((command) => ['-c', command]), file]);
  if (/failed|error/i.test(output)) throw new Error(`qemu-io ${file}: ${output}`);
  return output;
}
