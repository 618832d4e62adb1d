/** How a sealed answer comes along, as far as that is seen without opening it (docs/PROTOCOL.md §10).
 *
 * A gateway sends each chunk at once. So one that has begun must go on, with pauses as radio has them; between two chunks
 * the site may take its time.
 */

import { DOOR_PAUSE_MS, SEALED_CHUNK_BYTES } from '../limits';
import { readInteger } from '../wire/integers';
import { LeastRate } from './leastrate';

const NONCE_BYTES = 16;

export class Pace {
  readonly #rate: LeastRate;
  /** Bytes that are missing of the nonce or of a chunk; of the last one, those that it may still have. */
  #missing = NONCE_BYTES;
  /** The bytes of a chunk's length that came so far. */
  #length: number[] = [];
  #isBehindNonce = false;
  #isUnderWay = false;
  #isLast = false;
  #hasChunk = false;

  /** Pauses may be `factor` times as long as usual. */
  constructor(factor: number) {
    this.#rate = new LeastRate(DOOR_PAUSE_MS * factor);
  }

  /** Whether a chunk has come, or something that no chunk is: whoever opens it finds that out. */
  get hasChunk(): boolean {
    return this.#hasChunk;
  }

  /** Whether the last chunk has begun, so that the answer may end. */
  get isLast(): boolean {
    return this.#isLast;
  }

  /** For how long the next bytes may be waited for. */
  get left_ms(): number {
    return this.#isUnderWay ? this.#rate.left_ms : Infinity;
  }

  /** `data` came after `waited_ms`. Throws PeerError for a length that is none. */
  add(data: Uint8Array, waited_ms: number): void {
    if (this.#isUnderWay) this.#rate.came(data.length, waited_ms);
    let rest = data;
    while (rest.length > 0) rest = this.#missing > 0 ? this.#take(rest) : this.#takeLength(rest);
  }

  #take(data: Uint8Array): Uint8Array {
    const size = this.#isLast ? data.length : Math.min(this.#missing, data.length);
    this.#missing -= size;
    this.#isUnderWay = this.#isLast || this.#missing > 0;
    if (this.#missing <= 0) {
      this.#hasChunk ||= this.#isBehindNonce;
      this.#isBehindNonce = true;
      this.#rate.rewind();
    }
    return data.subarray(size);
  }

  #takeLength(data: Uint8Array): Uint8Array {
    // The last chunk is longer than any may be, which whoever opens it has been told.
    if (this.#isLast) return data.subarray(data.length);
    this.#isUnderWay = true;
    this.#length.push(data[0]!);
    const found = readInteger(Uint8Array.from(this.#length), 0);
    if (found) {
      const [size] = found;
      this.#length = [];
      this.#isLast = size === 0;
      this.#missing = size || SEALED_CHUNK_BYTES + 1;
      this.#hasChunk ||= size > SEALED_CHUNK_BYTES;
    }
    return data.subarray(1);
  }
}
