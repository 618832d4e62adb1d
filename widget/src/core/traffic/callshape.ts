/** The sizes and rhythm of a video call, for links that must look like one.
 *
 * Such a link sends a picture `FRAMES_PER_S` times a second, whether there is something to send or not, and this
 * module says how long each frame is. `src/passerelle/core/media/callprofile.py` is the client's half: it has the
 * same numbers, and says why.
 */

export const FRAMES_PER_S = 30;
const IDLE_BIT_S = 300_000;
/** The highest mean rate of the video. */
export const BUSY_BIT_S = 2_500_000;
const LEAST_BIT_S = 60_000;
/** The share of the rate that the congestion control allows, which the video takes. */
const SHARE = 0.8;
/** Time constants with which the rate follows what there is to send. */
const RISE_S = 0.5;
const FALL_S = 4;
const SCENE_S = 8;
/** Standard deviations of the logarithm of a frame's length: slow changes, and each frame's own. */
const SCENE_SPREAD = 0.2;
const FRAME_SPREAD = 0.22;
const KEY_GAIN = 4;
/** The share of what was sent too much that each frame saves. */
const REPAY = 0.08;
/** Bounds of a frame's length, in mean lengths. */
const LEAST_FACTOR = 0.3;
const MOST_FACTOR = 4;
const LEAST_FRAME_BYTES = 160;

export class CallShape {
  #rate_bit_s = IDLE_BIT_S;
  #scene = 0;
  #owed_bytes = 0;

  /** Return the bytes of the next frame. `allowed_bit_s` is the rate of the congestion control, `waiting_bytes` are
   * to be sent, and `chance` is a random number of the standard normal distribution. */
  nextFrame(allowed_bit_s: number, waiting_bytes: number, isKey: boolean, chance: number): number {
    const most_bit_s = Math.max(LEAST_BIT_S, Math.min(BUSY_BIT_S, SHARE * allowed_bit_s));
    // What one idle frame holds, twice, is no reason for a livelier scene.
    const isBusy = waiting_bytes * 8 * FRAMES_PER_S > 2 * IDLE_BIT_S;
    const wanted = isBusy ? most_bit_s : Math.min(most_bit_s, IDLE_BIT_S);
    const follow_s = wanted > this.#rate_bit_s ? RISE_S : FALL_S;
    const step = 1 - Math.exp(-1 / (FRAMES_PER_S * follow_s));
    this.#rate_bit_s = Math.min(most_bit_s, this.#rate_bit_s + step * (wanted - this.#rate_bit_s));
    const keep = Math.exp(-1 / (FRAMES_PER_S * SCENE_S));
    this.#scene = keep * this.#scene + Math.sqrt(1 - keep * keep) * chance;
    return this.#length(isKey, chance);
  }

  #length(isKey: boolean, chance: number): number {
    const mean = this.#rate_bit_s / 8 / FRAMES_PER_S;
    const exponent = SCENE_SPREAD * this.#scene + FRAME_SPREAD * chance;
    const variance = SCENE_SPREAD ** 2 + FRAME_SPREAD ** 2;
    let length = mean * Math.exp(exponent - variance / 2) * (isKey ? KEY_GAIN : 1);
    if (!isKey) length -= REPAY * this.#owed_bytes;
    length = Math.min(MOST_FACTOR * mean, Math.max(LEAST_FACTOR * mean, length));
    this.#owed_bytes = Math.max(-4 * mean, Math.min(8 * mean, this.#owed_bytes + length - mean));
    return Math.max(LEAST_FRAME_BYTES, Math.floor(length));
  }
}

/** Return a random number of the standard normal distribution, made of two `random` ones from 0 up to 1 (Box and
 * Muller, 1958). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
