/** Entry of the Worker's script. */

import type { Look } from '../core/traffic/scene';
import type { EncodedStreams, PageToRelay, RelayToPage } from './messages';
import { Relay } from './relay';

/** The part of DedicatedWorkerGlobalScope that is used. Its types cannot be loaded beside the DOM's. */
interface Scope extends EventTarget {
  onmessage: ((event: MessageEvent<PageToRelay>) => void) | null;
  onrtctransform: ((event: { transformer: Transformer }) => void) | null;
  postMessage(message: RelayToPage): void;
}

/** The part of RTCRtpScriptTransformer that is used. Firefox hands encoded frames to a Worker with it. */
interface Transformer extends Pick<EncodedStreams, 'readable' | 'writable'> {
  readonly options: { readonly link: number; readonly incoming: boolean; readonly look: Look | null };
}

const scope = globalThis as unknown as Scope;
const relay = new Relay((message) => scope.postMessage(message));
scope.onmessage = ({ data }) => relay.handle(data);
scope.onrtctransform = ({ transformer: { options, readable, writable } }) =>
  relay.handle({
    type: 'video',
    link: options.link,
    streams: { readable, writable, pictures: null, look: options.look, incoming: options.incoming },
  });
scope.addEventListener('securitypolicyviolation', (event) => {
  relay.forbid((event as SecurityPolicyViolationEvent).blockedURI);
});
scope.postMessage({ type: 'loaded' });
