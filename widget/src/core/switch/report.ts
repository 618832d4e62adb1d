/** What page and relay tell each other across the Worker's boundary. */

import type { Reason } from '../errors';
import type { NatClass } from '../wire/signalling';

/** What the relay is doing; sent whenever it changes. Counts are of this run of the relay. */
export interface RelayReport {
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
  /** A country (two letters, or null for unknown) for each of `people`, the newest last. */
  readonly crossing: readonly (string | null)[];
  /** Where this browser seems to be, by the broker; null for unknown. */
  readonly country: string | null;
  /** Helping may be dangerous there: nobody is helped before `confirm`. */
  readonly caution: boolean;
}

/** What the volunteer gives at most. */
export interface VolunteerLimits {
  /** People helped at once. */
  readonly people: number;
  /** Links of one person. */
  readonly lanes: number;
  /** 10⁶ bits a second copied, all links and both directions together; Infinity for no limit. */
  readonly mbit: number;
  /** Bytes carried in this run of the relay, which ends there; Infinity for no limit. */
  readonly bytes: number;
}

/** A video sender's encoded frames; `frames` takes pictures for it where a Worker can make them. */
export interface EncodedStreams {
  readonly readable: ReadableStream<RTCEncodedVideoFrame>;
  readonly writable: WritableStream<RTCEncodedVideoFrame>;
  readonly frames: WritableStream<VideoFrame> | null;
}
/** Why a text that was pasted for `helpFriend` brought no answer. */
export type FriendFailure =
  /** The switch is off, or the broker is not there. */
  | 'off'
  /** It is not a reader's text, or not all of it. */
  | 'text'
  /** It is for another network, too old, or was used before. */
  | 'refused'
  | 'timeout';

export type PageToRelay =
  | {
      readonly type: 'start';
      readonly invite: string;
      readonly allowance: VolunteerLimits;
      /** Whether the visitor has said the second yes before. */
      readonly confirmed: boolean;
      /** Whether this browser can do media links. */
      readonly media: boolean;
    }
  | { readonly type: 'allow'; readonly allowance: VolunteerLimits }
  | { readonly type: 'channel'; readonly link: number; readonly channel: RTCDataChannel }
  | { readonly type: 'video'; readonly link: number; readonly reels: EncodedStreams }
  | { readonly type: 'answered'; readonly link: number; readonly sdp: string }
  | { readonly type: 'peer_lost'; readonly link: number }
  /** Help although it may be dangerous here. */
  | { readonly type: 'confirm' }
  /** The machine slept, or changed its network: call the broker anew. */
  | { readonly type: 'renew' }
  /** Answer a friend's text. */
  | { readonly type: 'friend'; readonly id: number; readonly text: string }
  /** What `look` found. */
  | { readonly type: 'nat'; readonly nat: NatClass }
  /** Ask people to move, and be over soon. */
  | { readonly type: 'stop' }
  /** The page is going: ask people to move, and close everything now. */
  | { readonly type: 'leave' };

export type RelayToPage =
  | { readonly type: 'loaded' }
  | { readonly type: 'report'; readonly report: RelayReport }
  /** Make a PeerConnection for this offer (template SDP), and answer. */
  | {
      readonly type: 'peer';
      readonly link: number;
      readonly sdp: string;
      readonly stun: readonly string[];
      /** The other side comes late. */
      readonly patient: boolean;
    }
  /** Make a picture for this link's video. */
  | { readonly type: 'shoot'; readonly link: number }
  /** What to send back to the friend, or why there is nothing. */
  | { readonly type: 'friend_answer'; readonly id: number; readonly text: string }
  | { readonly type: 'friend_fault'; readonly id: number; readonly fault: FriendFailure }
  | { readonly type: 'peer_over'; readonly link: number }
  /** Find out what NAT this browser is behind, with these STUN servers. */
  | { readonly type: 'look'; readonly stun: readonly string[] }
  /** Everything is closed; `reason` when the relay gave up by itself. */
  | { readonly type: 'ended'; readonly reason: Reason | null };
