/** The messages of one link in the frames of its videos, from the reader's side; it runs in a Worker.
 *
 * It is the volunteer's page turned round: the same receiver and the same sender of numbered messages. What is added is
 * the window, by which the reader decides how fast the gateway sends.
 */

import { PeerError } from '../../../widget/src/core/errors';
import { unwrap, type PictureFrame } from '../../../widget/src/core/traffic/pictureframe';
import * as control from '../../../widget/src/core/wire/control';
import { Paced } from '../../../widget/src/relay/link/frameformat';
import type { MessagePipe } from '../../../widget/src/relay/link/outbox';
import { frameSource, type EncodedStreams } from '../../../widget/src/relay/link/pictures';
import { VideoReceiver } from '../../../widget/src/relay/link/videoreceiver';
import { VideoSender, type EncodedFrame } from '../../../widget/src/relay/link/videosender';
import { MEDIA_EARLY_MESSAGES } from '../limits';
import { Least } from './delay';
import { ReceiveWindow } from './receivewindow';
import type { PathReport, ToPage } from './talk';

/** The time between two questions for what the browser knows of the path; while its rate is being found, and later. */
const LOOK_STARTING_MS = 20;
const LOOK_MS = 50;
/** After so long without anything that came, the browser is not asked. */
const QUIET_MS = 500;
/** How long the shortest round trip is believed. */
const RTT_AGE_MS = 120_000;
/** A window that changed by less than this share is not told. */
const NEWS_SHARE = 1 / 16;

type WithoutLink<T> = T extends unknown ? Omit<T, 'link'> : never;
export type Said = WithoutLink<ToPage>;

export class VideoExchange {
  readonly #say: (said: Said) => void;
  #incoming: EncodedStreams | null = null;
  #outgoing: EncodedStreams | null = null;
  #isOpen = false;
  #isOver = false;
  #receiver: VideoReceiver | null = null;
  #sender: VideoSender | null = null;
  /** Calls that wait until the streams are here. */
  #early: (() => void)[] = [];
  readonly #format = new Paced(1);
  readonly #window = new ReceiveWindow(performance.now());
  readonly #rtt = new Least(RTT_AGE_MS);
  /** Messages that came in order and were not handed over yet. */
  #ready: (string | ArrayBuffer)[] = [];
  #told_bytes = 0;
  #heard_ms = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(say: (said: Said) => void) {
    this.#say = say;
  }

  /** Take the streams of one direction. */
  add(streams: EncodedStreams): void {
    if (streams.incoming) this.#incoming = streams;
    else this.#outgoing = streams;
    this.#begin();
  }

  open(): void {
    this.#isOpen = true;
    this.#begin();
  }

  /** Send a message to the gateway. */
  send(data: ArrayBuffer): void {
    this.#do(() => {
      this.#heard_ms = performance.now();
      this.#sender?.send(data);
      this.#look();
    });
  }

  /** Take what came over the DataChannel. */
  beside(data: string | ArrayBuffer): void {
    this.#do(() => {
      if (typeof data !== 'string') {
        this.#window.arrived(data.byteLength);
        this.#receiver?.channelMessage(data);
        this.#handOver();
        return;
      }
      const message = control.decode(data);
      if (message?.type === 'got' || message?.type === 'resend') this.#sender?.hear(message);
      else this.#say({ type: 'came', messages: [data] });
    });
  }

  /** Take what the browser knows of the path. */
  path(report: PathReport): void {
    const now_ms = performance.now();
    this.#format.look(report, now_ms);
    this.#window.report(report.received_bytes, report.missed, now_ms);
    this.#tell();
  }

  /** A round trip to the gateway took so long; it may contain a queue. */
  roundTrip(rtt_ms: number): void {
    this.#rtt.add(rtt_ms, performance.now());
    this.#window.rtt_ms = this.#rtt.value;
    if (this.#receiver) this.#receiver.rtt_ms = this.#rtt.value;
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#receiver?.close();
    this.#sender?.close('transport');
    this.#early = [];
  }

  #begin(): void {
    if (!this.#isOpen || !this.#incoming || !this.#outgoing || this.#receiver) return;
    this.#receiver = new VideoReceiver(this.#incoming, unwrap, {
      message: (data) => void this.#ready.push(data),
      got: (next) => this.#sender?.hear({ type: 'got', next }),
      say: (message) => this.#say({ type: 'beside', data: control.encode(message) }),
      failed: (code) => this.#fail(code !== 'internal'),
      came: (frame, size, encoded) => this.#came(frame, size, encoded),
    });
    this.#receiver.rtt_ms = this.#window.rtt_ms;
    const source = frameSource(this.#outgoing, () => this.#say({ type: 'picture' }));
    this.#sender = new VideoSender(this.#channel(), source, this.#format, {
      writable: () => {},
      busy: () => this.#look(),
      tellGot: () => this.#receiver?.tellGot() ?? 0,
    });
    for (const early of this.#early.splice(0)) this.#do(early);
  }

  /** The DataChannel, as the sender of video sees it. */
  #channel(): MessagePipe {
    return {
      bufferedAmount: 0,
      send: (data) => this.#say({ type: 'beside', data }),
      watch: () => {},
      close: () => {},
    };
  }

  #came(frame: PictureFrame, size: number, encoded: EncodedFrame): void {
    this.#window.told(size, frame.sent, frame.backlog_bytes, arrived_ms(encoded));
    this.#heard_ms = performance.now();
    // The frame's messages are put in order after this.
    queueMicrotask(() => this.#do(() => this.#handOver()));
  }

  #handOver(): void {
    const messages = this.#ready.splice(0);
    // What waited for something before it counted for the window, and does not once it is handed over.
    this.#tell(messages.length > 0);
    // What still waits is a sign of life, too.
    if (messages.length > 0 || this.#receiver!.held_bytes > 0) this.#say({ type: 'came', messages });
    this.#look();
  }

  #tell(isSure = false): void {
    if (!this.#receiver || !this.#sender) return;
    const window_bytes = this.#window.window_bytes(this.#receiver.held_bytes, this.#receiver.missing_bytes);
    const queued_bytes = this.#sender.bufferedAmount;
    const isNews = Math.abs(window_bytes - this.#told_bytes) > NEWS_SHARE * this.#told_bytes;
    if (!isSure && !isNews && queued_bytes === 0) return;
    this.#told_bytes = window_bytes;
    this.#say({ type: 'state', window_bytes, queued_bytes });
  }

  /** Ask what the browser knows of the path, again and again while something moves. */
  #look(): void {
    if (this.#timer !== undefined || this.#isOver) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#say({ type: 'find_path' });
      if (performance.now() - this.#heard_ms < QUIET_MS) this.#look();
    }, this.#window.isStarting ? LOOK_STARTING_MS : LOOK_MS);
  }

  /** Do something with the streams, as soon as they are here. */
  #do(work: () => void): void {
    if (this.#isOver) return;
    if (!this.#receiver) {
      if (this.#early.push(work) > MEDIA_EARLY_MESSAGES) this.#fail(true);
      return;
    }
    try {
      work();
    } catch (error) {
      this.#fail(error instanceof PeerError);
    }
  }

  #fail(isHostile: boolean): void {
    if (this.#isOver) return;
    this.close();
    this.#say({ type: 'failed', isHostile });
  }
}

/** Return when a frame's last packet came, where the browser says so. */
function arrived_ms(frame: EncodedFrame): number {
  const { receiveTime } = (frame as Partial<RTCEncodedVideoFrame>).getMetadata?.() as { receiveTime?: number } ?? {};
  return receiveTime ?? performance.now();
}
