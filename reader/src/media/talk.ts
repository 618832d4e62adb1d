/** What the page and the Worker of its videos tell each other. `link` is a number that the page gave. Both come from the
 * same build. */

import type { Path } from '../../../widget/src/core/traffic/ownrate';
import type { EncodedStreams } from '../../../widget/src/relay/link/pictures';

/** What this browser knows of a link's path. */
export interface PathReport extends Path {
  /** Bytes of the video that came, in whatever order, without those that were repeats. */
  readonly received_bytes: number;
  /** Packets of that video that did not come. `lost` counts those of this end's video. */
  readonly missed: number;
}

export type ToWorker = { readonly link: number } & (
  /** The encoded frames of one direction. */
  | { readonly type: 'video'; readonly streams: EncodedStreams }
  /** The link is open, and its volunteer sends video. */
  | { readonly type: 'open' }
  /** A message for the gateway. */
  | { readonly type: 'send'; readonly data: ArrayBuffer }
  /** Something came over the DataChannel. */
  | { readonly type: 'beside'; readonly data: string | ArrayBuffer }
  | { readonly type: 'path'; readonly report: PathReport }
  /** A round trip to the gateway took so long. */
  | { readonly type: 'round_trip'; readonly rtt_ms: number }
  | { readonly type: 'close' }
);

export type ToPage = { readonly link: number } & (
  /** Messages of the gateway, in order. */
  | { readonly type: 'came'; readonly messages: readonly (string | ArrayBuffer)[] }
  /** Something to be sent over the DataChannel. */
  | { readonly type: 'beside'; readonly data: string | ArrayBuffer }
  /** The gateway may have `window_bytes` under way, and `queued_bytes` of messages wait to be sent. */
  | { readonly type: 'state'; readonly window_bytes: number; readonly queued_bytes: number }
  | { readonly type: 'picture' }
  /** The page should say what it knows of the path. */
  | { readonly type: 'find_path' }
  /** The link has to end. `isHostile` where no honest volunteer's page does what this one did. */
  | { readonly type: 'failed'; readonly isHostile: boolean }
);

/** What came with RTCRtpScriptTransform's event. */
export interface TransformOptions {
  readonly link: number;
  readonly incoming: boolean;
}
