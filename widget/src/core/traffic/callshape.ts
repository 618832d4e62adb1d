/** The sizes and rhythm of a video call, for links that must look like one.
 *
 * Such a link sends a picture `FRAMES_PER_S` times a second, whether there is something to send or not, and this
 * module says how long each frame is. `src/passerelle/core/media/callprofile.py` is the client's half: it has the
 * same numbers, and says why.
 */

export const FRAMES_PER_S = 30;
const IDLE_BIT_S = 700_000;
/** The highest mean rate of the video. */
export const BUSY_BIT_S = 2_500_000;
const LEAST_BIT_S = 150_000;
/** The share of the rate that the congestion control allows, which the video takes. */
const SHARE = 0.8;
/** Time constant with which the rate follows the scene. */
const FOLLOW_S = 0.4;
/** How long a scene stays lively after messages waited: the median, and the standard deviation of the logarithm. */
const HOLD_S = 12;
const HOLD_SPREAD = 0.4;
/** Standard deviation of the logarithm of a frame's length. */
const FRAME_SPREAD = 0.25;
/** Now and then an encoder renews much of the picture: with a chance beyond that, by that factor. */
const BOOST_CHANCE = 2.2;
const BOOST_GAIN = 2.2;
const KEY_GAIN = 4;
/** The share of what was sent too much that each frame saves. */
const REPAY = 0.15;
/** Bounds of a frame's length, in mean lengths. */
const LEAST_FACTOR = 0.3;
const MOST_FACTOR = 4;
const LEAST_FRAME_BYTES = 160;

export class CallShape {
  #rate_bit_s = IDLE_BIT_S;
  /** Frames for which the scene stays lively. */
  #lively_frames = 0;
  #owed_bytes = 0;

  /** Return the bytes of the next frame. `allowed_bit_s` is the rate of the congestion control, `waiting_bytes` are
   * to be sent, and `chance` is a random number of the standard normal distribution. */
  nextFrame(allowed_bit_s: number, waiting_bytes: number, isKey: boolean, chance: number): number {
    const most_bit_s = Math.max(LEAST_BIT_S, Math.min(BUSY_BIT_S, SHARE * allowed_bit_s));
    // What one idle frame holds, twice, is no reason for a livelier scene.
    if (waiting_bytes * 8 * FRAMES_PER_S > 2 * IDLE_BIT_S) {
      this.#lively_frames = Math.floor(FRAMES_PER_S * HOLD_S * Math.exp(HOLD_SPREAD * chance));
    } else if (this.#lively_frames > 0) this.#lively_frames -= 1;
    const wanted = this.#lively_frames > 0 ? most_bit_s : Math.min(most_bit_s, IDLE_BIT_S);
    const step = 1 - Math.exp(-1 / (FRAMES_PER_S * FOLLOW_S));
    this.#rate_bit_s = Math.min(most_bit_s, this.#rate_bit_s + step * (wanted - this.#rate_bit_s));
    return this.#length(isKey, chance);
  }

  #length(isKey: boolean, chance: number): number {
    const mean = this.#rate_bit_s / 8 / FRAMES_PER_S;
    const gain = isKey ? KEY_GAIN : chance > BOOST_CHANCE ? BOOST_GAIN : 1;
    let length = gain * mean * Math.exp(FRAME_SPREAD * chance - FRAME_SPREAD ** 2 / 2);
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
