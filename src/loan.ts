/** Bytes in the memory of somebody else: of a storage that has read them, or of the kernels, which recycle it. */
export interface Loan {
  readonly bytes: Uint8Array;
  /** Gives the memory back; `bytes` must not be touched afterwards. */
  release(): void;
}
