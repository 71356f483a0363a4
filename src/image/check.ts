/** Checking an image for damage, and repairing it. */
import type { Image } from './image.js';

/** `leaks`: clusters that nothing refers to are freed; `all`: whatever can be repaired is. */
export type Repair = 'none' | 'leaks' | 'all';

/** What a check has counted. */
export interface CheckTally {
  /** Damage that endangers data. */
  corruptions: number;
  /** Clusters that take space for nothing. */
  leaks: number;
  /** Failures of the check itself: what they hide is unknown. */
  checkErrors: number;
  corruptionsFixed: number;
  leaksFixed: number;
}

/** How the disk's clusters are stored. */
export interface ClusterUsage {
  total: number;
  allocated: number;
  /** Not stored behind the one before them. */
  fragmented: number;
  compressed: number;
}

export interface CheckReport extends CheckTally {
  clusters: ClusterUsage;
  /** Byte of the storage behind the last one in use; 0: unknown. */
  imageEndOffset: number;
}

/** Told while the check goes on: there may be millions of findings. */
export interface CheckEvents {
  /** A finding, worded as `qemu-img` does; without a line feed. */
  onFinding(line: string): void;
  /** Why the check cannot go on, as a message of the program. */
  onTrouble(message: string): void;
}

/** Nobody listens. */
export const NO_EVENTS: CheckEvents = { onFinding: () => {}, onTrouble: () => {} };

export interface CheckRequest {
  repair: Repair;
  /** Repairs are to survive a power cut step by step. */
  flush: boolean;
  events: CheckEvents;
}

/** An image that is open to be checked; closing it is all else that may be done with it. */
export interface CheckableImage extends Image {
  /** May be called again, to see what repairs have left. Throws the reason why it could not be completed. */
  check(request: CheckRequest): Promise<CheckReport>;
}
