/** SHA-256 of a stream of bytes (FIPS 180-4): WebCrypto wants all of them at once. */
import { viewOf } from '../bytes.js';
import type { WasmKernel } from './wasm.js';

const BLOCK = 64;
/** Where the length stands in the last block. */
const LENGTH_AT = BLOCK - 8;

export class Sha256 {
  readonly #state = Uint32Array.of(
    0x6a09e667,
    0xbb67ae85,
    0x3c6ef372,
    0xa54ff53a,
    0x510e527f,
    0x9b05688c,
    0x1f83d9ab,
    0x5be0cd19,
  );
  /** Bytes that do not fill a block yet. */
  readonly #rest = new Uint8Array(BLOCK);
  #length = 0;

  constructor(private readonly kernel: WasmKernel) {}

  update(bytes: Uint8Array): void {
    let at = 0;
    const held = this.#length % BLOCK;
    this.#length += bytes.length;
    if (held > 0) {
      at = Math.min(BLOCK - held, bytes.length);
      this.#rest.set(bytes.subarray(0, at), held);
      if (held + at < BLOCK) return;
      this.kernel.sha256(this.#state, this.#rest);
    }
    const whole = bytes.length - at - ((bytes.length - at) % BLOCK);
    this.kernel.sha256(this.#state, bytes.subarray(at, at + whole));
    this.#rest.set(bytes.subarray(at + whole));
  }

  /** The digest in hexadecimal; nothing may follow. */
  digest(): string {
    const length = this.#length;
    const held = length % BLOCK;
    const end = new Uint8Array((held < LENGTH_AT ? 1 : 2) * BLOCK - held);
    end[0] = 0x80;
    viewOf(end).setBigUint64(end.length - 8, BigInt(length) * 8n);
    this.update(end);
    return Array.from(this.#state, (word) => word.toString(16).padStart(8, '0')).join('');
  }
}
