/** The two ways in which a media link puts messages into frames, and how fast it asks for frames. */

import { FRAME_BYTES, PACED_FRAME_BYTES } from '../../core/limits';
import { Bucket } from '../../core/traffic/bucket';
import { FrameBudget } from '../../core/traffic/framebudget';
import { OwnRate, type Path } from '../../core/traffic/ownrate';
import { OVERHEAD_BYTES, wrap } from '../../core/traffic/pictureframe';
import { Sparse } from '../../core/traffic/sparse';

/** What a browser puts into one packet of a video. */
const PACKET_BYTES = 1_150;
/** How often there is a frame of one packet while much is sent. */
const CLEAR_MS = 25;
/** Frames that are neither full nor short: so many a second, and so many at once. Each frame costs work at both ends,
 * however long it is, so what comes fast waits for more, and a small page does not. */
const FRAMES_PER_S = 125;
const FRAMES_AT_ONCE = 4;
/** Chromium lets packets leave at this multiple of its estimate. */
const PACER_GAIN = 2.5;
/** For so long after a lost packet the DataChannel carries no messages. It is repaired so slowly that one lost message
 * would hold back those after it for half a second. */
const LOSSY_MS = 10_000;

export interface FrameFormat {
  /** Frames requested and not yet made, at most. */
  readonly pending: number;
  /** Frames after its own that a small message is in once more. */
  readonly repeats: number;
  /** How often waiting messages are looked at, while no frame may be requested. */
  readonly tick_ms: number;
  /** Return whether a frame may be requested now for `queued_bytes` that wait. The caller then requests one. */
  takeTurn(queued_bytes: number): boolean;
  /** Whether the next frame should fit one packet, even if no message does. */
  isClear(): boolean;
  /** Bytes that the payload of a frame may have now, of which the encoder's part has `picture_bytes`. */
  room(picture_bytes: number): number;
  /** Whether a small message that is about to be sent may go over the DataChannel. */
  mayUseChannel(): boolean;
  /** Return the frame that is sent for the encoder's `picture`. `got` says which messages came. */
  seal(picture: ArrayBuffer, payload: ArrayBuffer, got: number, unsent: number): ArrayBuffer;
}

/** Version 1: the payload alone, because the client decodes nothing and dictates the rate. */
export const BARE: FrameFormat = {
  pending: 2,
  repeats: 0,
  tick_ms: 30,
  takeTurn: () => true,
  isClear: () => false,
  room: () => FRAME_BYTES,
  mayUseChannel: () => true,
  seal: (_picture, payload) => payload,
};

/** Version 2: the payload behind a genuine picture, paced by what holds the rate: this browser's pacer, or `OwnRate`.
 *
 * Frames may have `gain` times the rate of this browser's estimate, where it has one. */
export class Paced implements FrameFormat {
  readonly pending = 3;
  readonly repeats = 2;
  readonly tick_ms = 5;
  readonly budget = new FrameBudget(performance.now());
  /** For browsers that never say an estimate, and cannot be told to hold it. */
  readonly #ownRate = new OwnRate();
  #hasEstimate = false;
  /** About how many packets all frames so far have, without what the browser repeats or pads. */
  #packets = 0;
  readonly #sparse = new Sparse(performance.now());
  #lost = 0;
  /** When a packet was last reported lost, and when a frame of one packet was sent last. */
  #lost_ms = -Infinity;
  #clear_ms = -Infinity;
  readonly #gain: number;
  readonly #frames = new Bucket(FRAMES_PER_S, FRAMES_AT_ONCE, performance.now());

  constructor(gain = PACER_GAIN) {
    this.#gain = gain;
  }

  /** Take what the browser says of the path. */
  look(path: Path, now_ms: number): void {
    if (path.lost > this.#lost) {
      this.#lost = path.lost;
      this.#lost_ms = now_ms;
    }
    this.#hasEstimate ||= path.available_bit_s > 0;
    if (!this.#hasEstimate) this.#ownRate.look(path, this.#packets, now_ms);
    this.budget.setRate(this.#hasEstimate ? this.#gain * path.available_bit_s : this.#ownRate.bit_s);
  }

  takeTurn(queued_bytes: number): boolean {
    const now_ms = performance.now();
    if (!this.budget.isEnough(Math.min(PACED_FRAME_BYTES, queued_bytes), now_ms)) return false;
    const isShort = queued_bytes <= PACKET_BYTES;
    return isShort || queued_bytes >= PACED_FRAME_BYTES || this.#frames.take(1, now_ms);
  }

  /** A frame of one packet shows the client the path's delay: a larger one may be waiting for a repair. */
  isClear(): boolean {
    const now_ms = performance.now();
    if (now_ms - this.#clear_ms < CLEAR_MS) return false;
    this.#clear_ms = now_ms;
    return true;
  }

  room(picture_bytes: number): number {
    return Math.min(PACED_FRAME_BYTES, this.budget.available(performance.now())) - picture_bytes - OVERHEAD_BYTES;
  }

  mayUseChannel(): boolean {
    const now_ms = performance.now();
    return this.#sparse.add(now_ms) && now_ms - this.#lost_ms > LOSSY_MS;
  }

  seal(picture: ArrayBuffer, payload: ArrayBuffer, got: number, unsent: number): ArrayBuffer {
    const now_ms = performance.now();
    const frame = wrap(picture, payload, got, unsent, now_ms);
    this.budget.spend(frame.byteLength);
    this.#packets += Math.ceil(frame.byteLength / PACKET_BYTES);
    return frame;
  }
}
