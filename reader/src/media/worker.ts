/** The Worker of all videos of a page. */

import { VideoExchange } from './exchange';
import type { ToPage, ToWorker, TransformOptions } from './talk';

/** The part of DedicatedWorkerGlobalScope that is used. Its types cannot be loaded beside the DOM's. */
interface Scope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  onrtctransform: ((event: { transformer: Transformer }) => void) | null;
  postMessage(message: ToPage, transfer: Transferable[]): void;
}

/** The part of RTCRtpScriptTransformer that is used. */
interface Transformer {
  readonly readable: ReadableStream<RTCEncodedVideoFrame>;
  readonly writable: WritableStream<RTCEncodedVideoFrame>;
  readonly options: TransformOptions;
}

/** Run in this Worker from now on. */
export function work(): void {
  const scope = globalThis as unknown as Scope;
  const links = new Map<number, VideoExchange>();
  const of = (link: number) => {
    const known = links.get(link);
    if (known) return known;
    const made = new VideoExchange((said) => {
      const data = 'data' in said ? [said.data] : 'messages' in said ? said.messages : [];
      scope.postMessage({ ...said, link }, data.filter((each) => typeof each !== 'string'));
    });
    links.set(link, made);
    return made;
  };
  scope.onmessage = ({ data: said }) => {
    if (said.type === 'close') {
      links.get(said.link)?.close();
      links.delete(said.link);
      return;
    }
    const exchange = of(said.link);
    if (said.type === 'video') exchange.add(said.streams);
    else if (said.type === 'open') exchange.open();
    else if (said.type === 'send') exchange.send(said.data);
    else if (said.type === 'beside') exchange.beside(said.data);
    else if (said.type === 'path') exchange.path(said.report);
    else exchange.roundTrip(said.rtt_ms);
  };
  scope.onrtctransform = ({ transformer: { options, readable, writable } }) =>
    of(options.link).add({ readable, writable, pictures: null, look: null, incoming: options.incoming });
}
