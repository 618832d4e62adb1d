/** Entry of the Worker. */

import type { RelayToPage, EncodedStreams, PageToRelay } from '../core/switch/report';
import { Relay } from './relay';

/** The part of DedicatedWorkerGlobalScope used; its types cannot be loaded beside the DOM's. */
interface Scope {
  onmessage: ((event: MessageEvent<PageToRelay>) => void) | null;
  onrtctransform: ((event: { transformer: Transformer }) => void) | null;
  postMessage(message: RelayToPage): void;
}

/** The part of RTCRtpScriptTransformer used: where a Worker gets encoded frames by its own event. */
interface Transformer extends Omit<EncodedStreams, 'frames'> {
  readonly options: { readonly link: number };
}

const scope = globalThis as unknown as Scope;
const relay = new Relay((message) => scope.postMessage(message));
scope.onmessage = ({ data }) => relay.handle(data);
scope.onrtctransform = ({ transformer: { options, readable, writable } }) =>
  relay.handle({ type: 'video', link: options.link, reels: { readable, writable, frames: null } });
scope.postMessage({ type: 'loaded' });
