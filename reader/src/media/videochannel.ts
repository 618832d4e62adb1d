/** A video that is used like the DataChannel beside it.
 *
 * Where the volunteer sends no video it is that DataChannel. Otherwise messages go to the Worker, which puts them into
 * frames, and come from there.
 */

import { MEDIA_VERSION, type Description } from '../../../widget/src/core/wire/description';
import { VideoTrack } from '../../../widget/src/element/work/video';
import type { LinkChannel } from '../links/connection';
import type { Bytes } from '../wire/integers';
import { LIFE, LinkCredit } from './credit';
import { answered } from './sdp';
import type { PathReport, ToPage, ToWorker, TransformOptions } from './talk';

type WithoutLink<T> = T extends unknown ? Omit<T, 'link'> : never;

export interface VideoChannelEvents {
  /** Return what the browser knows of the path. */
  path(): Promise<PathReport>;
  /** The link has to end. */
  lost(): void;
}

/** How many DataChannels a video is worth when a request may go over either. */
const WORTH = 2;

export class VideoChannel implements LinkChannel {
  binaryType = 'arraybuffer';
  onopen: LinkChannel['onopen'] = null;
  onclose: LinkChannel['onclose'] = null;
  onmessage: LinkChannel['onmessage'] = null;
  readonly offer: Partial<Description> = { media: MEDIA_VERSION };
  readonly sdp = answered;
  /** Resolves when the video can be offered. Rejects where the browser cannot do it. */
  offered: Promise<void> = Promise.resolve();
  readonly #events: VideoChannelEvents;
  readonly #say: (said: WithoutLink<ToWorker>, ...moved: Transferable[]) => void;
  readonly #track: VideoTrack;
  readonly #credit = new LinkCredit();
  #window_bytes = 0;
  #queued_bytes = 0;
  #isVideo = false;
  #channel!: RTCDataChannel;

  constructor(worker: Worker, link: number, events: VideoChannelEvents) {
    this.#events = events;
    this.#say = (said, ...moved) => worker.postMessage({ ...said, link } satisfies ToWorker, moved);
    this.#track = new VideoTrack({
      video: (streams) => {
        const { readable, writable, pictures } = streams;
        const moved = [readable, writable, ...(pictures ? [pictures] : [])] as unknown as Transferable[];
        this.#say({ type: 'video', streams }, ...moved);
      },
      transform: (incoming) => {
        const options: TransformOptions = { link, incoming };
        return new RTCRtpScriptTransform(worker, options);
      },
      sound: () => {},
    });
  }

  get readyState(): string {
    return this.#channel.readyState;
  }

  get bufferedAmount(): number {
    return this.#queued_bytes + this.#channel.bufferedAmount;
  }

  get worth(): number {
    return this.#isVideo ? WORTH : 1;
  }

  /** Add the video to `connection`, before its DataChannel. */
  add(connection: RTCPeerConnection): void {
    this.offered = this.#track.offer(connection);
    this.offered.catch(() => {});
  }

  use(channel: RTCDataChannel): void {
    this.#channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => this.onopen?.();
    channel.onclose = () => this.onclose?.();
    channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (!this.#isVideo) this.onmessage?.({ data });
      else this.#say({ type: 'beside', data }, ...(typeof data === 'string' ? [] : [data]));
    };
  }

  /** Use the video: the volunteer sends one, too. */
  async begin(): Promise<void> {
    this.#isVideo = true;
    await this.#track.start();
    this.#say({ type: 'open' });
  }

  stop(): void {
    this.#track.stop();
    this.#say({ type: 'close' });
  }

  send(message: Bytes): void {
    if (!this.#isVideo) this.#channel.send(message);
    else if (this.#credit.passes(message, performance.now())) this.#send(message);
  }

  /** Take what the Worker says. */
  hear(said: ToPage): void {
    switch (said.type) {
      case 'came':
        if (said.messages.length === 0) this.onmessage?.({ data: LIFE.slice().buffer });
        for (const data of said.messages) this.#take(data);
        this.#refill();
        break;
      case 'beside':
        if (this.readyState === 'open') this.#channel.send(said.data as ArrayBuffer);
        break;
      case 'state':
        this.#window_bytes = said.window_bytes;
        this.#queued_bytes = said.queued_bytes;
        this.#refill();
        break;
      case 'picture':
        this.#track.makePicture(null);
        break;
      case 'find_path':
        this.#events.path().then((report) => this.#say({ type: 'path', report }), () => {});
        break;
      case 'failed':
        // What looks like no frame makes the link distrust its volunteer.
        if (said.isHostile) this.onmessage?.({ data: new ArrayBuffer(0) });
        this.#events.lost();
        this.onclose?.();
    }
  }

  #send(message: Bytes): void {
    const data = message.slice().buffer;
    this.#say({ type: 'send', data }, data);
  }

  #take(data: string | ArrayBuffer): void {
    if (typeof data !== 'string') {
      const rtt_ms = this.#credit.came(new Uint8Array(data), performance.now());
      if (rtt_ms !== null) this.#say({ type: 'round_trip', rtt_ms });
    }
    this.onmessage?.({ data });
  }

  #refill(): void {
    const message = this.#credit.credit(this.#window_bytes);
    if (message) this.#send(message);
  }
}
