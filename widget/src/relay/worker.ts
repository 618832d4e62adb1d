/** Entry of the Worker. */

import type { FromRelay, ToRelay } from '../core/report';
import { Relay } from './relay';

/** The part of DedicatedWorkerGlobalScope used; its types cannot be loaded beside the DOM's. */
interface Scope {
  onmessage: ((event: MessageEvent<ToRelay>) => void) | null;
  postMessage(message: FromRelay): void;
}

const scope = globalThis as unknown as Scope;
const relay = new Relay((message) => scope.postMessage(message));
scope.onmessage = ({ data }) => relay.handle(data);
scope.postMessage({ type: 'loaded' });
