/** The two ways in which a media link puts messages into frames, and how fast it asks for frames. */

import { FRAME_BYTES, PACED_FRAME_BYTES } from '../../core/limits';
import { FrameBudget } from '../../core/traffic/framebudget';
import { OwnRate } from '../../core/traffic/ownrate';
import { OVERHEAD_BYTES, wrap } from '../../core/traffic/pictureframe';
import { RateFloor, type Path } from '../../core/traffic/ratefloor';
import { Sparse } from '../../core/traffic/sparse';

/** What a browser puts into one packet of a video. */
const PACKET_BYTES = 1_150;

export interface FrameFormat {
  /** Frames requested and not yet made, at most. */
  readonly pending: number;
  /** Frames after its own that a small message is in once more. */
  readonly repeats: number;
  /** How often waiting messages are looked at, while no frame may be requested. */
  readonly tick_ms: number;
  /** Whether a frame may be requested now for `queued_bytes` that wait. */
  isWorth(queued_bytes: number): boolean;
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
  isWorth: () => true,
  room: () => FRAME_BYTES,
  mayUseChannel: () => true,
  seal: (_picture, payload) => payload,
};

/** Version 2: the payload behind a genuine picture, no faster than the browser's own congestion control says. */
export class Paced implements FrameFormat {
  readonly pending = 3;
  readonly repeats = 2;
  readonly tick_ms = 5;
  readonly budget = new FrameBudget(performance.now());
  readonly #floor = new RateFloor();
  /** For browsers that never say an estimate. */
  readonly #ownRate = new OwnRate();
  #hasEstimate = false;
  /** About how many packets all frames so far have, without what the browser repeats or pads. */
  #packets = 0;
  readonly #sparse = new Sparse(performance.now());

  /** The rate at which the browser's estimate is to be held; 0 where it is free. */
  get floor_bit_s(): number {
    return this.#floor.bit_s;
  }

  /** Take what the browser says of the path. Return whether `floor_bit_s` has changed. */
  look(path: Path, now_ms: number): boolean {
    this.#hasEstimate ||= path.available_bit_s > 0;
    if (!this.#hasEstimate) {
      this.#ownRate.look(path, this.#packets, now_ms);
      this.budget.setRate(this.#ownRate.bit_s);
      return false;
    }
    const hasChanged = this.#floor.look(path, this.#packets, now_ms);
    this.budget.setRate(Math.max(path.available_bit_s, this.#floor.bit_s));
    return hasChanged;
  }

  isWorth(queued_bytes: number): boolean {
    return this.budget.isEnough(Math.min(PACED_FRAME_BYTES, queued_bytes), performance.now());
  }

  room(picture_bytes: number): number {
    return Math.min(PACED_FRAME_BYTES, this.budget.available(performance.now())) - picture_bytes - OVERHEAD_BYTES;
  }

  mayUseChannel(): boolean {
    return this.#sparse.add(performance.now());
  }

  seal(picture: ArrayBuffer, payload: ArrayBuffer, got: number, unsent: number): ArrayBuffer {
    const frame = wrap(picture, payload, got, unsent);
    this.budget.spend(frame.byteLength);
    this.#packets += Math.ceil(frame.byteLength / PACKET_BYTES);
    return frame;
  }
}
