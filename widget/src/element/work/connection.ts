/** A thin shell around one RTCPeerConnection, which exists only on the page's main thread.
 *
 * The DataChannel is handed away at once; nothing of a link's bytes passes through here.
 */

import { DATA_CHANNEL_ID } from '../../core/wire/description';
import { VideoTrack, VIDEO_OPTIONS, type VideoTrackEvents } from './video';

/** Gathering is given up after this long: a STUN server that does not answer costs no more. */
const GATHERING_MS = 1_000;
/** A connection may recover from a lost network for this long. */
const DISCONNECTED_MS = 5_000;

export interface PeerConnectionEvents extends VideoTrackEvents {
  /** Take the channel; it can be transferred only now. */
  channel(channel: RTCDataChannel): void;
  /** Our own SDP, complete enough to be sent. */
  answered(sdp: string): void;
  lost(): void;
}

export class PeerConnection {
  readonly #connection: RTCPeerConnection;
  readonly #events: PeerConnectionEvents;
  readonly #camera: VideoTrack;
  readonly #over = new AbortController();
  #patient: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Throws where the browser cannot do it. `stun` holds URLs.
   *
   * A `patient` one does not give up before it was connected: checks that arrive after the browser
   * calls it failed still connect it, and the relay says when to stop waiting.
   */
  constructor(stun: readonly string[], patient: boolean, events: PeerConnectionEvents) {
    this.#events = events;
    this.#camera = new VideoTrack(events);
    this.#patient = patient;
    this.#connection = new RTCPeerConnection({
      ...VIDEO_OPTIONS,
      iceServers: stun.length > 0 ? [{ urls: [...stun] }] : [],
    });
    this.#connection.onconnectionstatechange = () => this.#changed();
    events.channel(makeChannel(this.#connection));
  }

  /** Answer the offer `sdp`, which is text of our own template. */
  async answer(sdp: string): Promise<void> {
    try {
      const connection = this.#connection;
      await connection.setRemoteDescription({ type: 'offer', sdp });
      await this.#camera.mount(connection);
      await connection.setLocalDescription(await connection.createAnswer());
      await this.#camera.roll();
      if (connection.getConfiguration().iceServers?.length) await this.#gathered();
      if (!this.#over.signal.aborted) this.#events.answered(connection.localDescription?.sdp ?? '');
    } catch {
      this.#lose();
    }
  }

  /** Make a picture for the video. */
  shoot(): void {
    this.#camera.shoot();
  }

  close(): void {
    this.#over.abort();
    this.#camera.stop();
    clearTimeout(this.#timer);
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
  }

  #gathered(): Promise<void> {
    const { signal } = this.#over;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GATHERING_MS);
      signal.addEventListener('abort', () => clearTimeout(timer));
      const check = () => {
        if (this.#connection.iceGatheringState === 'complete') resolve();
      };
      this.#connection.addEventListener('icegatheringstatechange', check, { signal });
      check();
    });
  }

  #changed(): void {
    clearTimeout(this.#timer);
    const state = this.#connection.connectionState;
    if (state === 'connected') this.#patient = false;
    if (this.#patient) return;
    if (state === 'failed' || state === 'closed') this.#lose();
    if (state === 'disconnected') this.#timer = setTimeout(() => this.#lose(), DISCONNECTED_MS);
  }

  #lose(): void {
    if (!this.#over.signal.aborted) this.#events.lost();
  }
}

/** Tell whether this browser can relay: WebRTC, and DataChannels that move to a Worker.
 *
 * Sends nothing: without a local description nothing is gathered.
 */
export function canRelay(): 'yes' | 'no_webrtc' | 'old_browser' {
  if (typeof RTCPeerConnection === 'undefined') return 'no_webrtc';
  let connection: RTCPeerConnection | undefined;
  // Firefox moves a channel by a message, and refuses `structuredClone` for it.
  const { port1 } = new MessageChannel();
  try {
    connection = new RTCPeerConnection();
    const channel = makeChannel(connection) as unknown as Transferable;
    port1.postMessage(channel, [channel]);
    return 'yes';
  } catch {
    return connection ? 'old_browser' : 'no_webrtc';
  } finally {
    port1.close();
    connection?.close();
  }
}

function makeChannel(connection: RTCPeerConnection): RTCDataChannel {
  return connection.createDataChannel('', { negotiated: true, id: DATA_CHANNEL_ID, ordered: true });
}
