/** What carries sealed requests to the gateway and brings their answers: a link through a volunteer, or a door. */

import type { Reset } from '../wire/gatewayframes';
import type { Bytes } from '../wire/integers';

/** Why an answer is over before its end: what the gateway says, or the way to it was lost, or left because nothing comes
 * over it. */
export type Failure = Reset | 'lost' | 'stalled';

/** Takes one answer as it comes. */
export interface AnswerSink {
  /** Bytes of the sealed answer; `isLast` says that no more follow. */
  /** The request leaves now: it may have waited for others to end. */
  sent(): void;
  bytes(body: Uint8Array, isLast: boolean): void;
  failed(failure: Failure): void;
}

/** One request under way. */
export interface OpenRequest {
  /** So many bytes of the answer were used, and may be followed by as many. */
  used(count: number): void;
  /** The answer is not wanted any more. Idempotent. */
  cancel(): void;
}

export interface Carrier {
  /** Whether it brought an answer, and has failed in nothing since. */
  readonly isProved: boolean;
  request(message: Bytes, sink: AnswerSink): OpenRequest;
  /** Something came that only the gateway can have sent. */
  proved(): void;
  /** A request failed: nothing came, or word of a failure, which whoever carries may have invented. */
  failed(): void;
  /** Something came that the gateway never sends. */
  distrust(): void;
}

/** Compare lists of equal length by their first members that differ. */
export function compared(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
