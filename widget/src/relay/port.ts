/** The two real pipes of a link, as `Port`s. */

import { closeCode } from '../core/fault';
import type { Link, Port, Side } from './link';

/** Join a WebSocket to the exit's side of `link`. */
export function joinSocket(link: Link, socket: WebSocket): void {
  listen(link, 'exit', socket);
  link.attach('exit', port(socket, (code) => socket.close(closeCode(code))));
}

/** Join a DataChannel to the client's side of `link`. */
export function joinChannel(link: Link, channel: RTCDataChannel): void {
  listen(link, 'client', channel);
  link.attach('client', port(channel, () => channel.close()));
  if (channel.readyState === 'open') link.opened('client');
  if (channel.readyState === 'closed') link.lost('client');
}

function port(pipe: WebSocket | RTCDataChannel, close: Port['close']): Port {
  return {
    get bufferedAmount() {
      return pipe.bufferedAmount;
    },
    send: (data) => pipe.send(data as ArrayBuffer),
    close,
  };
}

function listen(link: Link, side: Side, pipe: WebSocket | RTCDataChannel): void {
  pipe.binaryType = 'arraybuffer';
  pipe.onopen = () => link.opened(side);
  pipe.onmessage = (event: MessageEvent<unknown>) => link.message(side, event.data);
  pipe.onclose = () => link.lost(side);
}
