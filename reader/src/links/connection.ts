/** The reader's half of one link: an RTCPeerConnection with one DataChannel towards a volunteer's page.
 *
 * The offer is made before a volunteer is known, and sent to the broker with the request. The volunteer answers as it
 * answers every client, and no SDP text of anybody else reaches this browser (`widget/src/core/wire/channelsdp.ts`).
 */

import { vet } from '../../../widget/src/core/addresses/candidates';
import { DATA_CHANNEL_ID, type Description } from '../../../widget/src/core/wire/description';
import { fromOwnChannelSdp, toChannelSdp } from '../../../widget/src/core/wire/channelsdp';

/** Gathering is given up after this time, so a STUN server that does not answer costs no more. */
const GATHERING_MS = 700;
/** Once a STUN server has told one address, others of the same moment are waited for so long; and once the browser has told
 * one of its own, where there is no such server. It says that it is done only when every server has answered, and Chromium
 * a tenth of a second after its own addresses. */
const SETTLING_MS = 30;
/** A link that is not open by then is not waited for. */
const OPENING_MS = 10_000;
/** A connection that lost the network may recover in this time. */
const DISCONNECTED_MS = 2_500;

/** Taken before the site's scripts run, which find it nowhere in this window (`hide`). */
const { RTCPeerConnection } = globalThis;

/** Leave no WebRTC in this window for scripts that reach into it. */
export function hide(): void {
  for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection']) Reflect.deleteProperty(globalThis, name);
}

/** Carries the messages of a link: an RTCDataChannel, or a video as if it were one. */
export interface LinkChannel {
  binaryType: string;
  readonly readyState: string;
  readonly bufferedAmount: number;
  /** How many DataChannels a video is worth, and what the description of its offer has beside the usual. */
  readonly worth?: number;
  readonly offer?: Partial<Description>;
  /** Return the SDP for an answer to that. Throws an Error for one that this page cannot use. */
  readonly sdp?: (answer: Description) => string;
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  send(message: Uint8Array<ArrayBuffer>): void;
}

/** Returns a class of connections that offer a video, in which the messages of their DataChannel go. */
export type LinkMedia = (base: typeof RTCPeerConnection) => typeof RTCPeerConnection;

export class LinkConnection {
  readonly #connection: RTCPeerConnection;
  /** The kind of candidates that are waited for. */
  readonly #wanted: RTCIceCandidateType;
  /** Carries the messages of the link once `connect` has resolved. */
  readonly channel: LinkChannel;
  readonly #over = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `stun` holds URLs. With `media` a video is offered. Throws an Error of any kind in a browser without WebRTC. */
  constructor(stun: readonly string[], media: LinkMedia = (base) => base) {
    const hasStun = stun.length > 0;
    const iceServers = hasStun ? [{ urls: [...stun] }] : [];
    this.#wanted = hasStun ? 'srflx' : 'host';
    this.#connection = new (media(RTCPeerConnection))({ iceServers });
    this.channel = this.#connection.createDataChannel('', { negotiated: true, id: DATA_CHANNEL_ID }) as LinkChannel;
    this.channel.binaryType = 'arraybuffer';
    this.channel.onclose = () => this.close();
    // There is one channel. Whoever opens another one is no volunteer's page.
    this.#connection.ondatachannel = () => this.close();
    this.#connection.onconnectionstatechange = () => this.#changed();
  }

  /** Aborted when the link has ended, for whatever reason. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Return the offer, with the candidates that were found in time. */
  async offer(): Promise<Description> {
    const connection = this.#connection;
    await connection.setLocalDescription(await connection.createOffer());
    await this.#gathered();
    return fromOwnChannelSdp(connection.localDescription?.sdp ?? '', this.channel.offer);
  }

  /** Connect to the volunteer that answered. Throws an Error when no link came about in time. */
  async connect(answer: Description, isPrivateAllowed: boolean): Promise<void> {
    const sdp = (this.channel.sdp ?? toChannelSdp)(vet(answer, isPrivateAllowed));
    await this.#connection.setRemoteDescription({ type: 'answer', sdp });
    await new Promise<void>((resolve, reject) => {
      const { signal } = this.#over;
      const fail = () => reject(new Error('no link came about'));
      const timer = setTimeout(() => this.close(), OPENING_MS);
      if (signal.aborted) fail();
      signal.addEventListener('abort', fail);
      // The channel may be open by now, and then says so no more.
      const open = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', fail);
        resolve();
      };
      if (this.channel.readyState === 'open') open();
      else this.channel.onopen = open;
    });
  }

  /** End the link. Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
    this.#connection.onconnectionstatechange = null;
    this.channel.onclose = null;
    this.#connection.close();
    this.#over.abort();
  }

  #changed(): void {
    clearTimeout(this.#timer);
    const state = this.#connection.connectionState;
    if (state === 'failed' || state === 'closed') this.close();
    if (state === 'disconnected') this.#timer = setTimeout(() => this.close(), DISCONNECTED_MS);
  }

  #gathered(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GATHERING_MS);
      const check = () => {
        if (this.#connection.iceGatheringState !== 'complete') return;
        clearTimeout(timer);
        resolve();
      };
      this.#connection.onicegatheringstatechange = check;
      this.#connection.onicecandidate = ({ candidate }) => {
        if (candidate?.type === this.#wanted) setTimeout(resolve, SETTLING_MS);
      };
      check();
    });
  }
}

/** Return whether this browser can read here. Nothing is sent. */
export function canRead(): 'yes' | 'no_webrtc' | 'old_browser' | 'insecure' {
  if (!isSecureContext) return 'insecure';
  if (!RTCPeerConnection) return 'no_webrtc';
  return 'any' in AbortSignal ? 'yes' : 'old_browser';
}
