/**
 * Less compiling.
 *
 * A conversion spends its time in the kernel and in wasm; JavaScript runs a few thousand times a second at most. V8's
 * optimising compiler, started early, took a fifth of all processor time of a one-second conversion and gave nothing
 * back. With a larger budget it waits for functions that really are hot, as in the tables of a fragmented image.
 * Measured on Node 20, raw to qcow2, 1.3 GB: 0.85 s of user time before, 0.55 s after.
 */
import { setFlagsFromString } from 'node:v8';

/** Bytecode that a function runs before it may be optimised; Node's default is a seventh of it or less. */
const INTERRUPT_BUDGET = 1_000_000;

/** Releases of Node whose V8 is known to have the flag: an unknown one makes V8 complain on stderr. */
const KNOWN_RELEASES = ['20', '22', '24'];

/** For work that takes its time, before it begins. */
export function tuneEngine(): void {
  const [release] = process.versions.node.split('.');
  if (KNOWN_RELEASES.includes(release!)) setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
}
