/** Links with video, from the page's side. */

import type { Path } from '../../../widget/src/core/traffic/ownrate';
import { canSendVideo, VIDEO_OPTIONS } from '../../../widget/src/element/work/video';
import { isAnswerable, renumbered } from './sdp';
import type { PathReport, ToPage } from './talk';
import { VideoChannel } from './videochannel';

/** Return whether this browser can carry data in a video's frames. */
export const isAble = () => canSendVideo() && 'setCodecPreferences' in RTCRtpTransceiver.prototype;

/** All videos of a page, whose frames are with one Worker. */
export class Media {
  readonly #worker: Worker;
  readonly #channels = new Map<number, VideoChannel>();
  #count = 0;
  /** Whether this browser made every video so far. Where it does not, links have none. */
  #works = true;

  /** `script` is the URL of the Worker's. */
  constructor(script: string) {
    this.#worker = new Worker(script);
    this.#worker.onmessage = ({ data }: MessageEvent<ToPage>) => this.#channels.get(data.link)?.hear(data);
  }

  /** See `LinkMedia`. */
  over(base: typeof RTCPeerConnection): typeof RTCPeerConnection {
    if (!this.#works) return base;
    const channels = this.#channels;
    const worker = this.#worker;
    const link = (this.#count += 1);
    const failing = (error: unknown) => {
      this.#works = false;
      throw error;
    };
    let channel: VideoChannel;
    /** A connection that offers a video, and whose DataChannel sends its messages in that. */
    class VideoConnection extends base {
      constructor(configuration: RTCConfiguration) {
        super({ ...VIDEO_OPTIONS, ...configuration } as RTCConfiguration);
      }

      override createDataChannel(label: string, options: RTCDataChannelInit): RTCDataChannel {
        channel = new VideoChannel(worker, link, {
          path: async () => pathOf(await this.getStats()),
          lost: () => this.close(),
        });
        // The video's section comes first in an offer.
        channel.add(this as RTCPeerConnection);
        channel.use(super.createDataChannel(label, options));
        channels.set(link, channel);
        return channel as unknown as RTCDataChannel;
      }

      override async createOffer(): Promise<never> {
        await channel.offered.catch(failing);
        const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
        const wanted = codecs.filter(({ mimeType }) => /^video\/(vp8|rtx)$/i.test(mimeType));
        this.getTransceivers()[0]?.setCodecPreferences(wanted);
        return (await super.createOffer()) as never;
      }

      override async setLocalDescription(offer: RTCSessionDescriptionInit): Promise<void> {
        await super.setLocalDescription({ type: 'offer', sdp: renumbered(offer.sdp ?? '') }).catch(failing);
        // Firefox offers fewer extensions than the answer has, and would take none that it did not offer.
        if (!isAnswerable(this.localDescription?.sdp ?? '')) failing(new Error('no answer fits this offer'));
      }

      override async setRemoteDescription(answer: RTCSessionDescriptionInit): Promise<void> {
        await super.setRemoteDescription(answer).catch((error: unknown) => {
          if (this.signalingState !== 'closed') failing(error);
          throw error;
        });
        if (/^a=sendrecv\r?$/m.test(answer.sdp ?? '')) await channel.begin();
      }

      override close(): void {
        channels.delete(link);
        channel.stop();
        super.close();
      }
    }
    return VideoConnection as typeof RTCPeerConnection;
  }
}

/** Return what a report says of the path to the volunteer. */
function pathOf(report: RTCStatsReport): PathReport {
  const path: { -readonly [name in keyof Path | keyof PathReport]: PathReport[name] } = {
    bytes: 0, available_bit_s: 0, rtt_ms: null, lost: 0, received_bytes: 0, missed: 0,
  };
  report.forEach((entry: Partial<Record<string, unknown>>) => {
    const count = (name: string) => Number(entry[name] ?? 0);
    if (entry['type'] === 'candidate-pair') {
      path.available_bit_s = Math.max(path.available_bit_s, count('availableOutgoingBitrate'));
    } else if (entry['type'] === 'inbound-rtp') {
      path.received_bytes += count('bytesReceived') - count('retransmittedBytesReceived');
      path.missed += Math.max(0, count('packetsLost'));
    } else if (entry['type'] === 'remote-inbound-rtp') {
      path.lost += Math.max(0, count('packetsLost'));
      if (entry['roundTripTime'] !== undefined) path.rtt_ms = count('roundTripTime') * 1_000;
    }
  });
  return path;
}
