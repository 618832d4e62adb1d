/** What page and relay tell each other across the Worker's boundary. */

import type { Reason } from './fault';

/** What the relay is doing; sent whenever it changes. Counts are of this run of the relay. */
export interface Report {
  readonly broker: 'connecting' | 'online' | 'retrying';
  /** Why the broker is not there, while retrying. */
  readonly reason: Reason | null;
  /** Seconds until the next try. */
  readonly retry_s: number | null;
  /** People being helped now: those with a link, or lanes of one, that is open on both sides. */
  readonly people: number;
  /** People helped, in all. */
  readonly helped: number;
  /** Bytes carried, both ways together. */
  readonly bytes: number;
}

/** What the volunteer gives at most. */
export interface Allowance {
  /** People helped at once. */
  readonly people: number;
  /** Links of one person. */
  readonly lanes: number;
  /** 10⁶ bits a second copied, all links and both directions together; Infinity for no limit. */
  readonly mbit: number;
}

/** A video sender's encoded frames; `frames` takes pictures for it where a Worker can make them. */
export interface Reels {
  readonly readable: ReadableStream<RTCEncodedVideoFrame>;
  readonly writable: WritableStream<RTCEncodedVideoFrame>;
  readonly frames: WritableStream<VideoFrame> | null;
}

export type ToRelay =
  /** `media`: whether this browser can do media links. */
  | { readonly type: 'start'; readonly invite: string; readonly allowance: Allowance; readonly media: boolean }
  | { readonly type: 'allow'; readonly allowance: Allowance }
  | { readonly type: 'channel'; readonly link: number; readonly channel: RTCDataChannel }
  | { readonly type: 'video'; readonly link: number; readonly reels: Reels }
  | { readonly type: 'answered'; readonly link: number; readonly sdp: string }
  | { readonly type: 'peer_lost'; readonly link: number }
  /** Ask people to move, and be over soon. */
  | { readonly type: 'stop' }
  /** The page is going: ask people to move, and close everything now. */
  | { readonly type: 'leave' };

export type FromRelay =
  | { readonly type: 'loaded' }
  | { readonly type: 'report'; readonly report: Report }
  /** Make a PeerConnection for this offer (template SDP), and answer. */
  | { readonly type: 'peer'; readonly link: number; readonly sdp: string; readonly stun: readonly string[] }
  /** Make a picture for this link's video. */
  | { readonly type: 'shoot'; readonly link: number }
  | { readonly type: 'peer_over'; readonly link: number }
  /** Everything is closed; `reason` when the relay gave up by itself. */
  | { readonly type: 'ended'; readonly reason: Reason | null };
