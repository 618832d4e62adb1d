/** One RTCPeerConnection. It exists only on the page's main thread.
 *
 * Its DataChannel is handed to the Worker at once, so none of a link's bytes pass through the page.
 */

import { DATA_CHANNEL_ID } from '../../core/wire/description';
import type { Path } from '../../relay/messages';
import { VideoTrack, VIDEO_OPTIONS, type VideoTrackEvents } from './video';

/** Gathering is given up after this time, so a STUN server that does not answer costs no more. */
const GATHERING_MS = 1_000;
/** Once a STUN server has told one address, others of the same moment are waited for so long. Chromium itself says a tenth of
 * a second later that it is done. */
const SETTLING_MS = 30;

export interface PeerConnectionEvents extends VideoTrackEvents {
  /** Take the DataChannel. It can be transferred only in this moment. */
  channel(channel: RTCDataChannel): void;
  /** The answer is ready: `sdp` is the browser's own, with the candidates that were found in time. */
  answered(sdp: string): void;
  /** Nothing comes from the client's browser any more, or something does again. */
  silent(isSilent: boolean): void;
  /** The connection failed, or was lost. */
  lost(): void;
}

export class PeerConnection {
  readonly #connection: RTCPeerConnection;
  readonly #events: PeerConnectionEvents;
  readonly #video: VideoTrack;
  readonly #over = new AbortController();
  #patient: boolean;

  /** Throws an Error of any kind where the browser cannot do it. `stun` holds URLs.
   *
   * A `patient` connection is not lost before it was connected. It may still connect after the browser
   * calls it failed, when the client's checks arrive. The relay says when to stop waiting.
   */
  constructor(stun: readonly string[], patient: boolean, events: PeerConnectionEvents) {
    this.#events = events;
    this.#video = new VideoTrack(events);
    this.#patient = patient;
    this.#connection = new RTCPeerConnection({
      ...VIDEO_OPTIONS,
      iceServers: stun.length > 0 ? [{ urls: [...stun] }] : [],
    });
    this.#connection.onconnectionstatechange = () => this.#changed();
    events.channel(makeChannel(this.#connection));
  }

  /** Answer the offer `sdp`, which is text of our own template. Never rejects. */
  async answer(sdp: string): Promise<void> {
    try {
      const connection = this.#connection;
      await connection.setRemoteDescription({ type: 'offer', sdp });
      await this.#video.add(connection);
      await connection.setLocalDescription(await connection.createAnswer());
      await this.#video.start();
      if (connection.getConfiguration().iceServers?.length) await this.#gathered();
      if (!this.#over.signal.aborted) this.#events.answered(connection.localDescription?.sdp ?? '');
    } catch {
      this.#lose();
    }
  }

  /** Resolve to what the browser says of the path to the client; null where it says nothing. Never rejects. */
  async path(): Promise<Path | null> {
    try {
      return pathOf(await this.#connection.getStats());
    } catch {
      return null;
    }
  }

  /** Make a picture for the video. A call's is `pixels`, as RGBA. */
  makePicture(pixels: ArrayBuffer | null): void {
    this.#video.makePicture(pixels);
  }

  close(): void {
    this.#over.abort();
    this.#video.stop();
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
  }

  /** Wait until all candidates are found, or the time for it is over. */
  #gathered(): Promise<void> {
    const { signal } = this.#over;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GATHERING_MS);
      signal.addEventListener('abort', () => clearTimeout(timer));
      const check = () => {
        if (this.#connection.iceGatheringState === 'complete') resolve();
      };
      this.#connection.addEventListener('icegatheringstatechange', check, { signal });
      this.#connection.addEventListener('icecandidate', ({ candidate }) => {
        if (candidate?.type === 'srflx') setTimeout(resolve, SETTLING_MS);
      }, { signal });
      check();
    });
  }

  #changed(): void {
    const state = this.#connection.connectionState;
    if (state === 'connected') this.#patient = false;
    if (this.#patient) return;
    if (state === 'failed' || state === 'closed') this.#lose();
    else this.#events.silent(state === 'disconnected');
  }

  #lose(): void {
    if (!this.#over.signal.aborted) this.#events.lost();
  }
}

/** Return what a report says of the path to the client. */
function pathOf(report: RTCStatsReport): Path {
  const path = { bytes: 0, available_bit_s: 0, rtt_ms: null as number | null, lost: 0 };
  report.forEach((entry: Partial<Record<string, unknown>>) => {
    const count = (name: string) => Number(entry[name] ?? 0);
    if (entry['type'] === 'candidate-pair') {
      path.bytes += count('bytesSent') + count('bytesReceived');
      path.available_bit_s = Math.max(path.available_bit_s, count('availableOutgoingBitrate'));
    } else if (entry['type'] === 'remote-inbound-rtp') {
      path.lost += count('packetsLost');
      if (entry['roundTripTime'] !== undefined) path.rtt_ms = count('roundTripTime') * 1_000;
    }
  });
  return path;
}

/** Return whether this browser can relay: it needs WebRTC, and DataChannels that move to a Worker.
 *
 * Nothing is sent, because a connection without a local description gathers no candidates.
 */
export function canRelay(): 'yes' | 'no_webrtc' | 'old_browser' {
  if (typeof RTCPeerConnection === 'undefined') return 'no_webrtc';
  let connection: RTCPeerConnection | undefined;
  // Firefox moves a channel with a message, but not with `structuredClone`.
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
