/** What page and relay tell each other across the Worker's boundary. */

import type { Reason } from './fault';

/** What the relay is doing; sent whenever it changes. Counts are of this run of the relay. */
export interface Report {
  readonly broker: 'connecting' | 'online' | 'retrying';
  /** Why the broker is not there, while retrying. */
  readonly reason: Reason | null;
  /** Seconds until the next try. */
  readonly retry_s: number | null;
  /** Links open on both sides now. */
  readonly people: number;
  /** Links that were open on both sides, in all. */
  readonly links: number;
  /** Bytes carried, both ways together. */
  readonly bytes: number;
}

export type ToRelay =
  | { readonly type: 'start'; readonly invite: string; readonly people: number }
  | { readonly type: 'people'; readonly people: number }
  | { readonly type: 'channel'; readonly link: number; readonly channel: RTCDataChannel }
  | { readonly type: 'answered'; readonly link: number; readonly sdp: string }
  | { readonly type: 'peer_lost'; readonly link: number }
  | { readonly type: 'stop' };

export type FromRelay =
  | { readonly type: 'loaded' }
  | { readonly type: 'report'; readonly report: Report }
  /** Make a PeerConnection for this offer (template SDP), and answer. */
  | { readonly type: 'peer'; readonly link: number; readonly sdp: string; readonly stun: readonly string[] }
  | { readonly type: 'peer_over'; readonly link: number }
  /** Everything is closed; `reason` when the relay gave up by itself. */
  | { readonly type: 'ended'; readonly reason: Reason | null };
