/**
 * sha256: the compression function of FIPS 180-4, section 6.2, over whole blocks of 64 bytes.
 *
 * The host keeps the state (eight words, as numbers of this machine's byte order) and pads the end. Eight rounds are
 * written out, with the working variables renamed instead of moved; the message schedule lies in static memory, where
 * it stays in the L1 cache.
 */

// prettier-ignore
const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** The message schedule, 64 words. */
const W = memory.data(256);

const BLOCK: usize = 64;

@inline
function word(index: usize): u32 {
  return load<u32>(W + (index << 2));
}

/** What the rounds take from the message and the constants. */
@inline
function input(index: usize): u32 {
  return word(index) + load<u32>(K + (index << 2));
}

/** T1 without h. */
@inline
function mix(e: u32, f: u32, g: u32): u32 {
  return (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + (g ^ (e & (f ^ g)));
}

/** T2. */
@inline
function majority(a: u32, b: u32, c: u32): u32 {
  return (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + ((a & b) ^ (c & (a ^ b)));
}

@inline
function schedule(source: usize): void {
  for (let t: usize = 0; t < 16; t++) store<u32>(W + (t << 2), bswap<u32>(load<u32>(source + (t << 2))));
  for (let t: usize = 16; t < 64; t++) {
    const early = word(t - 15);
    const late = word(t - 2);
    const small = rotr<u32>(early, 7) ^ rotr<u32>(early, 18) ^ (early >>> 3);
    const large = rotr<u32>(late, 17) ^ rotr<u32>(late, 19) ^ (late >>> 10);
    store<u32>(W + (t << 2), large + word(t - 7) + small + word(t - 16));
  }
}

/** Takes `length` bytes, a multiple of 64, into the eight words at `state`. */
export function sha256(state: usize, source: usize, length: usize): void {
  for (const end = source + length; source < end; source += BLOCK) {
    schedule(source);
    let a = load<u32>(state);
    let b = load<u32>(state, 4);
    let c = load<u32>(state, 8);
    let d = load<u32>(state, 12);
    let e = load<u32>(state, 16);
    let f = load<u32>(state, 20);
    let g = load<u32>(state, 24);
    let h = load<u32>(state, 28);
    for (let t: usize = 0; t < 64; t += 8) {
      h += mix(e, f, g) + input(t);
      d += h;
      h += majority(a, b, c);
      g += mix(d, e, f) + input(t + 1);
      c += g;
      g += majority(h, a, b);
      f += mix(c, d, e) + input(t + 2);
      b += f;
      f += majority(g, h, a);
      e += mix(b, c, d) + input(t + 3);
      a += e;
      e += majority(f, g, h);
      d += mix(a, b, c) + input(t + 4);
      h += d;
      d += majority(e, f, g);
      c += mix(h, a, b) + input(t + 5);
      g += c;
      c += majority(d, e, f);
      b += mix(g, h, a) + input(t + 6);
      f += b;
      b += majority(c, d, e);
      a += mix(f, g, h) + input(t + 7);
      e += a;
      a += majority(b, c, d);
    }
    store<u32>(state, load<u32>(state) + a);
    store<u32>(state, load<u32>(state, 4) + b, 4);
    store<u32>(state, load<u32>(state, 8) + c, 8);
    store<u32>(state, load<u32>(state, 12) + d, 12);
    store<u32>(state, load<u32>(state, 16) + e, 16);
    store<u32>(state, load<u32>(state, 20) + f, 20);
    store<u32>(state, load<u32>(state, 24) + g, 24);
    store<u32>(state, load<u32>(state, 28) + h, 28);
  }
}
