/** The two ways in which a media link puts messages into frames, and how fast it asks for frames. */

import { FRAME_BYTES, PACED_FRAME_BYTES } from '../../core/limits';
import { FrameBudget } from '../../core/traffic/framebudget';
import { OVERHEAD_BYTES, wrap } from '../../core/traffic/pictureframe';

export interface FrameFormat {
  /** Frames requested and not yet made, at most. */
  readonly pending: number;
  /** How often waiting messages are looked at, while no frame may be requested. */
  readonly tick_ms: number;
  /** Whether a frame may be requested now for `queued_bytes` that wait. */
  isWorth(queued_bytes: number): boolean;
  /** Bytes that the payload of a frame may have now, of which the encoder's part has `picture_bytes`. */
  room(picture_bytes: number): number;
  /** Return the frame that is sent for the encoder's `picture`. */
  seal(picture: ArrayBuffer, payload: ArrayBuffer, unsent: number): ArrayBuffer;
}

/** Version 1: the payload alone, because the client decodes nothing and dictates the rate. */
export const BARE: FrameFormat = {
  pending: 2,
  tick_ms: 30,
  isWorth: () => true,
  room: () => FRAME_BYTES,
  seal: (_picture, payload) => payload,
};

/** Version 2: the payload behind a genuine picture, no faster than the browser's own congestion control says. */
export class Paced implements FrameFormat {
  readonly pending = 3;
  readonly tick_ms = 5;
  readonly budget = new FrameBudget(performance.now());

  isWorth(queued_bytes: number): boolean {
    return this.budget.isEnough(Math.min(PACED_FRAME_BYTES, queued_bytes), performance.now());
  }

  room(picture_bytes: number): number {
    return Math.min(PACED_FRAME_BYTES, this.budget.available(performance.now())) - picture_bytes - OVERHEAD_BYTES;
  }

  seal(picture: ArrayBuffer, payload: ArrayBuffer, unsent: number): ArrayBuffer {
    const frame = wrap(picture, payload, unsent);
    this.budget.spend(frame.byteLength);
    return frame;
  }
}
