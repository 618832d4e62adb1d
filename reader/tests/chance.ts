/** Numbers for tests that look random and are the same in every run (mulberry32). */

export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Return an integer from 0 to `end` − 1. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return Math.floor((((value ^ (value >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  bytes(most: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: this.below(most + 1) }, () => this.below(256));
  }

  /** Cut bytes into pieces of random sizes. */
  *cut(data: Uint8Array, most: number): Generator<Uint8Array> {
    for (let at = 0; at < data.length; ) {
      const size = 1 + this.below(most);
      yield data.subarray(at, at + size);
      at += size;
    }
  }

  /** Return the bytes with one of them changed, left out or repeated. */
  spoil(data: Uint8Array): Uint8Array<ArrayBuffer> {
    const at = this.below(data.length);
    const bytes = [...data];
    const way = this.below(3);
    if (way === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 + this.below(255));
    else if (way === 1) bytes.splice(at, 1);
    else bytes.splice(at, 0, bytes[at] ?? 0);
    return Uint8Array.from(bytes);
  }
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, 'hex'));
