/** Messages between the page and the relay in its Worker. Both come from the same build. */

import type { FriendFailure, Reason } from '../core/errors';
import type { RelayReport, TestPlan, VolunteerLimits } from '../core/switch/report';
import type { Path } from '../core/traffic/ownrate';
import type { NatClass } from '../core/wire/signalling';
import type { EncodedStreams } from './link/pictures';
import type { SoundStreams } from './link/sound';

export type { EncodedStreams, Path, SoundStreams };

/** What the page tells the relay. `link` is the number that the relay gave the link in `connect`. */
export type PageToRelay =
  | {
      readonly type: 'start';
      readonly invite: string;
      readonly limits: VolunteerLimits;
      /** Whether the visitor confirmed before that they help although it may be dangerous. */
      readonly confirmed: boolean;
      /** Whether this browser can make media links. */
      readonly media: boolean;
      /** The test of this device's rate, before anybody is helped. */
      readonly test: TestPlan;
    }
  | { readonly type: 'limits'; readonly limits: VolunteerLimits }
  /** The DataChannel of a link, transferred from its PeerConnection. */
  | { readonly type: 'channel'; readonly link: number; readonly channel: RTCDataChannel }
  /** The video of a media link. */
  | { readonly type: 'video'; readonly link: number; readonly streams: EncodedStreams }
  /** What the browser says of the path of a link. */
  | { readonly type: 'path'; readonly link: number; readonly path: Path }
  /** The sound of a link that looks like a call, to be made until the link ends. */
  | { readonly type: 'sound'; readonly streams: SoundStreams }
  /** The answer of a link's PeerConnection. */
  | { readonly type: 'answered'; readonly link: number; readonly sdp: string }
  /** Nothing comes from the client's browser any more, or something does again. */
  | { readonly type: 'silent'; readonly link: number; readonly isSilent: boolean }
  | { readonly type: 'connection_lost'; readonly link: number }
  /** The visitor helps although it may be dangerous where they are. */
  | { readonly type: 'confirm' }
  /** The machine slept, or changed its network. The relay should call the broker again, and first make another test of
   * this device's rate where there is one. */
  | { readonly type: 'renew'; readonly test: TestPlan | null }
  /** The visitor pasted a reader's text, which the relay should answer. */
  | { readonly type: 'friend'; readonly id: number; readonly text: string }
  /** The answer to `find_nat`. */
  | { readonly type: 'nat'; readonly nat: NatClass }
  /** The relay should ask people to move to other volunteers, and end soon. */
  | { readonly type: 'stop' }
  /** The page is being left. The relay should ask people to move, and close everything in this moment. */
  | { readonly type: 'leave' };

/** What the relay tells the page. */
export type RelayToPage =
  /** The Worker's script runs. */
  | { readonly type: 'loaded' }
  | { readonly type: 'report'; readonly report: RelayReport }
  /** The page should make a PeerConnection for a link and answer the offer `sdp`. */
  | {
      readonly type: 'connect';
      readonly link: number;
      /** The offer, as text of our own template. */
      readonly sdp: string;
      readonly stun: readonly string[];
      /** Whether the client may come late, because people carry the answer to it by hand. */
      readonly patient: boolean;
    }
  /** The page should close the PeerConnection of a link. */
  | { readonly type: 'disconnect'; readonly link: number }
  /** The page should make a picture for the video of a link. That of a call is `pixels`, as RGBA. */
  | { readonly type: 'picture'; readonly link: number; readonly pixels: ArrayBuffer | null }
  /** The page should say what the browser knows of the path of a link. */
  | { readonly type: 'find_rate'; readonly link: number }
  /** The text that goes back to the reader. */
  | { readonly type: 'friend_answer'; readonly id: number; readonly text: string }
  | { readonly type: 'friend_failed'; readonly id: number; readonly reason: FriendFailure }
  /** The page's policy forbids `url`, which the publisher should be told. */
  | { readonly type: 'forbidden'; readonly url: string }
  /** The page should find the class of this browser's NAT, with these STUN servers. */
  | { readonly type: 'find_nat'; readonly stun: readonly string[] }
  /** Everything is closed, except a WebSocket that only the end of the Worker ends, when `isStuck`. `reason` is set when
   * the relay gave up by itself. */
  | { readonly type: 'ended'; readonly reason: Reason | null; readonly isStuck: boolean };
