/** What the extension's pages say to each other. Only they can: no page of the web has a way to these messages. */

import type { Reason } from '../../widget/src/core/errors';
import type { Phase, Snapshot } from '../../widget/src/core/switch/store';

/** What the visitor did in the popup, said to the home over a port. */
export type Act =
  | { readonly act: 'press' | 'start' | 'stop' | 'refuse' | 'confirm' | 'forget' }
  | { readonly act: 'agree'; readonly remember: boolean }
  | { readonly act: 'bar'; readonly reason: Reason };

/** What the home's switch shows, said to each popup at once and after each change. */
export interface Shown {
  readonly snapshot: Snapshot;
  readonly asks: boolean;
  readonly isAgreed: boolean;
}

/** What is said to all pages of the extension by `runtime.sendMessage`. */
export type Notice =
  /** A popup needs the home: answered when it is there. */
  | { readonly type: 'open' }
  /** The home has nothing to do. */
  | { readonly type: 'rest' }
  /** The browser has an update of the extension: the home answers when nobody is helped any more. */
  | { readonly type: 'leave' }
  /** What the extension's button is to say. */
  | { readonly type: 'sign'; readonly phase: Phase; readonly people: number };
