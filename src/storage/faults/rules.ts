/**
 * Rules by which a storage fails, as QEMU's `blkdebug` has them: a small state machine that events drive.
 *
 * An event that some rule waits for, in the state that the rule asks for, *arms* the rule, and disarms those that were
 * armed before; or it brings the machine into another state. A request fails by the first armed rule that fits it.
 */
import type { StorageEvent } from '../events.js';
import { linuxError } from '../system-errors.js';

/** Kinds of request that can fail. */
export const REQUEST_KINDS = ['read', 'write', 'write-zeroes', 'discard', 'flush', 'block-status'] as const;

export type RequestKind = (typeof REQUEST_KINDS)[number];

/** A request for the status of a range fails only if a rule says so explicitly. */
const DEFAULT_KINDS: readonly RequestKind[] = ['read', 'write', 'write-zeroes', 'discard', 'flush'];

/** The machine begins here; a rule's state 0 means any. */
const FIRST_STATE = 1;
const ANY_STATE = 0;

export interface FaultRule {
  /** What arms it. */
  event: StorageEvent;
  /** Only in this state of the machine; 0: in any. */
  state: number;
  /** Linux number of the failure; 0: none, and no later rule is looked at. */
  errno: number;
  /** The kind of request that fails; null: any but one for status. */
  kind: RequestKind | null;
  /** Byte that the request must cover; null: any request fails. */
  offset: number | null;
  /** It fails a single request. */
  once: boolean;
}

export interface StateRule {
  event: StorageEvent;
  /** Only in this state; 0: in any. */
  state: number;
  newState: number;
}

export class FaultRules {
  #state = FIRST_STATE;
  #armed: FaultRule[] = [];
  #faults: readonly FaultRule[];

  constructor(
    faults: readonly FaultRule[],
    private readonly changes: readonly StateRule[],
  ) {
    this.#faults = faults;
  }

  /** Something is about to happen. */
  announce(event: StorageEvent): void {
    const fits = (rule: FaultRule | StateRule) =>
      rule.event === event && (rule.state === ANY_STATE || rule.state === this.#state);
    const armed = this.#faults.filter(fits);
    if (armed.length > 0) this.#armed = armed;
    // QEMU keeps its rules the latest first, so that of several the earliest has the last word.
    this.#state = this.changes.find(fits)?.newState ?? this.#state;
  }

  /** Throws the failure that an armed rule has for this request. */
  check(kind: RequestKind, offset: number, length: number): void {
    if (this.#armed.length === 0) return;
    const rule = this.#armed.find((each) => meets(each, kind, offset, length));
    if (rule === undefined || rule.errno === 0) return;
    if (rule.once) {
      this.#armed = this.#armed.filter((each) => each !== rule);
      this.#faults = this.#faults.filter((each) => each !== rule);
    }
    throw linuxError(rule.errno, { offset });
  }
}

function meets(rule: FaultRule, kind: RequestKind, offset: number, length: number): boolean {
  const isKind = rule.kind === null ? DEFAULT_KINDS.includes(kind) : rule.kind === kind;
  return isKind && (rule.offset === null || (rule.offset >= offset && rule.offset < offset + length));
}
