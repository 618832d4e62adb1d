/** The two real pipes of a link, as `Port`s. */

import { closeCode } from '../../core/errors';
import { LOW_WATER_BYTES } from '../../core/limits';
import type { MessagePipe } from './outbox';
import type { Link, Side } from './link';

/** How often a full WebSocket is looked at, which does not tell: half of what is left by then. */
const POLL_MS = 10;

/** Join a WebSocket to the exit's side of `link`. */
export function joinSocket(link: Link, socket: WebSocket): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    timer = undefined;
    if (socket.bufferedAmount <= LOW_WATER_BYTES) link.roomy('exit');
    else watch();
  };
  const watch = () => {
    if (socket.readyState === socket.OPEN) timer ??= setTimeout(look, POLL_MS);
  };
  listen(link, 'exit', socket);
  link.attach('exit', port(socket, watch, (code) => socket.close(closeCode(code))));
}

/** Join a DataChannel to the client's side of `link`, by way of what `wrap` makes of it. */
export function joinChannel(
  link: Link,
  channel: RTCDataChannel,
  wrap: (port: MessagePipe) => MessagePipe = (plain) => plain,
): void {
  listen(link, 'client', channel);
  channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
  channel.onbufferedamountlow = () => link.roomy('client');
  link.attach('client', wrap(port(channel, () => {}, () => channel.close())));
  if (channel.readyState === 'open') link.opened('client');
  if (channel.readyState === 'closed') link.lost('client');
}

function port(
  pipe: WebSocket | RTCDataChannel,
  watch: MessagePipe['watch'],
  close: MessagePipe['close'],
): MessagePipe {
  return {
    get bufferedAmount() {
      return pipe.bufferedAmount;
    },
    send: (data) => pipe.send(data as ArrayBuffer),
    watch,
    close,
  };
}

function listen(link: Link, side: Side, pipe: WebSocket | RTCDataChannel): void {
  pipe.binaryType = 'arraybuffer';
  pipe.onopen = () => link.opened(side);
  pipe.onmessage = (event: MessageEvent<unknown>) => link.message(side, event.data);
  pipe.onclose = () => link.lost(side);
}
