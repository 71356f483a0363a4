/**
 * Finite state entropy: a state says which symbol it is, how many bits to read, and what to add to them for the next
 * state. A symbol has as many of the states as its frequency.
 */
import type { Output } from '../output.js';
import type { BackwardBits } from './backward-bits.js';

/** What symbols stand for: numbers from a base on, told apart by extra bits. */
export interface ValueRanges {
  readonly base: readonly number[];
  readonly extraBits: readonly number[];
}

export class StateTable {
  readonly #symbols: Uint8Array;
  readonly #bits: Uint8Array;
  readonly #next: Int16Array;

  /** Throws `corrupt` for frequencies that need more than `states` states. */
  constructor(
    readonly states: number,
    frequencies: Uint16Array,
    private readonly output: Output,
  ) {
    this.#symbols = new Uint8Array(states);
    this.#bits = new Uint8Array(states);
    this.#next = new Int16Array(states);
    let state = 0;
    for (let symbol = 0; symbol < frequencies.length; symbol++) {
      const frequency = frequencies[symbol]!;
      if (frequency > states - state) throw output.damaged('its frequencies are too high');
      if (frequency > 0) this.#fill(state, symbol, frequency);
      state += frequency;
    }
  }

  /** Throws `corrupt` for a state that there is not. */
  check(state: number): number {
    if (state >= this.states) throw this.output.damaged('a state is out of range');
    return state;
  }

  symbol(state: number): number {
    return this.#symbols[state]!;
  }

  /** The state behind `state`. */
  follow(state: number, bits: BackwardBits): number {
    return this.check(this.#next[state]! + bits.read(this.#bits[state]!));
  }

  /** The first states of a symbol take a bit more than the others. */
  #fill(from: number, symbol: number, frequency: number): void {
    const { states } = this;
    const bits = Math.clz32(frequency) - Math.clz32(states);
    const longer = ((2 * states) >> bits) - frequency;
    for (let index = 0; index < frequency; index++) {
      const isLonger = index < longer;
      this.#symbols[from + index] = symbol;
      this.#bits[from + index] = isLonger ? bits : bits - 1;
      this.#next[from + index] = isLonger ? ((frequency + index) << bits) - states : (index - longer) << (bits - 1);
    }
  }
}

/** A sequence of numbers that share a table and a bit stream with others. */
export class ValueDecoder {
  #state: number;

  constructor(
    private readonly table: StateTable,
    private readonly ranges: ValueRanges,
    state: number,
  ) {
    this.#state = table.check(state);
  }

  /** The next number: bits of the next state come first, as they were written last. */
  read(bits: BackwardBits): number {
    const symbol = this.table.symbol(this.#state);
    this.#state = this.table.follow(this.#state, bits);
    return this.ranges.base[symbol]! + bits.read(this.ranges.extraBits[symbol]!);
  }
}
