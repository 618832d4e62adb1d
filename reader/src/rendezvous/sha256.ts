/** SHA-256 (FIPS 180-4) of many texts that differ in their last four bytes only.
 *
 * WebCrypto makes a promise for each digest, which takes far longer than the digest: seconds for one proof of work.
 */

const fraction = (root: number) => ((root % 1) * 2 ** 32) | 0;
const primes: number[] = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
const CONSTANTS = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
const BLOCK = 64;

export class FirstZeros {
  readonly #words = new Int32Array(64);
  readonly #before: Int32Array;
  readonly #at: number;
  readonly #view: DataView;

  /** `text` has 68 to 119 bytes, so that its last four are in the second of two blocks. */
  constructor(text: Uint8Array) {
    const padded = new Uint8Array(2 * BLOCK);
    padded.set(text);
    padded[text.length] = 0x80;
    this.#view = new DataView(padded.buffer);
    this.#view.setUint32(2 * BLOCK - 4, 8 * text.length);
    this.#at = text.length - 4;
    this.#before = this.#compressed(START, 0);
  }

  /** Return how many zero bits the digest begins with, at most 32, when the last four bytes are `number`. */
  count(number: number): number {
    this.#view.setUint32(this.#at, number);
    return Math.clz32(this.#compressed(this.#before, BLOCK)[0]!);
  }

  #compressed(state: Int32Array, at: number): Int32Array {
    const words = this.#words;
    for (let i = 0; i < 16; i++) words[i] = this.#view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15]!;
      const y = words[i - 2]!;
      const small = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const large = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = (words[i - 16]! + small + words[i - 7]! + large) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const large = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const first = (h + large + ((e & f) ^ (~e & g)) + CONSTANTS[i]! + words[i]!) | 0;
      const small = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const second = (small + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    const round = [a, b, c, d, e, f, g, h];
    return state.map((word, i) => word + round[i]!);
  }
}
