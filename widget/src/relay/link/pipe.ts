/** Joins the two real pipes of a link to it: a WebSocket and a DataChannel. */

import { closeCode } from '../../core/errors';
import { LOW_WATER_BYTES } from '../../core/limits';
import type { Link, Side } from './link';
import type { MessagePipe } from './outbox';

/** How often the buffer of a full WebSocket is looked at, because a WebSocket has no event for it. In this
 * time about half of `LOW_WATER_BYTES` is sent at 100 Mbit/s. */
const POLL_MS = 10;
/** An exit that has got everything answers the end of a WebSocket in this time. */
const CLOSE_MS = 10_000;

/** Watches whether an exit lets a WebSocket end. `stuck` is called when it does not.
 *
 * A browser goes on receiving, and throws away what comes, until the other end answers. Chromium does so for ever.
 */
export class SocketEnd {
  readonly #socket: WebSocket;
  readonly #stuck: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasEnded = false;

  constructor(socket: WebSocket, stuck: () => void) {
    this.#socket = socket;
    this.#stuck = stuck;
  }

  /** The socket has ended. */
  ended(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
  }

  /** Close the socket. */
  close(code: number): void {
    if (!this.#hasEnded && this.#socket.readyState < this.#socket.CLOSING) this.#watch();
    this.#socket.close(code);
  }

  #watch(): void {
    this.#timer = setTimeout(() => {
      // A slow network may need long for what was sent, and over a dead one nothing is sent.
      if (this.#socket.bufferedAmount > 0) this.#watch();
      else this.#stuck();
    }, CLOSE_MS);
  }
}

/** Make a WebSocket the exit's side of `link`. `stuck` is called when the exit does not let it end. */
export function joinSocket(link: Link, socket: WebSocket, stuck: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    timer = undefined;
    if (socket.bufferedAmount <= LOW_WATER_BYTES) link.writable('exit');
    else watch();
  };
  const watch = () => {
    if (socket.readyState === socket.OPEN) timer ??= setTimeout(look, POLL_MS);
  };
  const end = new SocketEnd(socket, stuck);
  listen(link, 'exit', socket);
  // Chromium says of a socket that the page's policy forbids that it failed, and not that it closed.
  socket.onerror = socket.onclose = () => {
    end.ended();
    link.lost('exit');
  };
  link.attach(
    'exit',
    pipe(socket, watch, (code) => end.close(closeCode(code))),
  );
}

/** Make a DataChannel the client's side of `link`. `wrap` may put another pipe around the channel's, and `take`
 * may look at what comes before the link does. */
export function joinChannel(
  link: Link,
  channel: RTCDataChannel,
  wrap: (pipe: MessagePipe) => MessagePipe = (plain) => plain,
  take: (data: unknown) => void = (data) => link.message('client', data),
): void {
  listen(link, 'client', channel, take);
  channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
  channel.onbufferedamountlow = () => link.writable('client');
  link.attach('client', wrap(pipe(channel, () => {}, () => channel.close())));
  if (channel.readyState === 'open') link.opened('client');
  if (channel.readyState === 'closed') link.lost('client');
}

function pipe(
  real: WebSocket | RTCDataChannel,
  watch: MessagePipe['watch'],
  close: MessagePipe['close'],
): MessagePipe {
  return {
    get bufferedAmount() {
      return real.bufferedAmount;
    },
    send: (data) => real.send(data as ArrayBuffer),
    watch,
    close,
  };
}

function listen(
  link: Link,
  side: Side,
  real: WebSocket | RTCDataChannel,
  take: (data: unknown) => void = (data) => link.message(side, data),
): void {
  real.binaryType = 'arraybuffer';
  real.onopen = () => link.opened(side);
  real.onmessage = (event: MessageEvent<unknown>) => take(event.data);
  real.onclose = () => link.lost(side);
}
