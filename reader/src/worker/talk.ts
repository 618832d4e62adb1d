/** What worker and shell say to each other about one request. The shell pulls nothing by itself: the worker asks for
 * bytes when the page wants them, so a page that stops reading stops the site's answer too.
 */

import type { Header } from '../site/answer';

/** A request of the frame, sent to the shell with a port of its own. */
export interface Asked {
  readonly type: 'ask';
  /** The site's address. */
  readonly url: string;
  readonly method: string;
  readonly headers: readonly Header[];
  readonly body: ArrayBuffer | null;
  /** The page that asks, an address on the mirror; empty when the page hides it. */
  readonly referrer: string;
  /** Whether the site's cookies go with it. */
  readonly credentials: boolean;
  /** Whether a document is wanted that will be shown, so that the inner script belongs into it. */
  readonly document: boolean;
}

/** What the shell answers over the port. */
export type Told =
  /** This shell carries the request. Where it says nothing for a while, another one is asked. */
  | { readonly type: 'taken' }
  | { readonly type: 'head'; readonly status: number; readonly headers: readonly Header[] }
  | { readonly type: 'bytes'; readonly bytes: ArrayBuffer }
  | { readonly type: 'end' }
  /** Nothing more comes; the shell tells the reader why. */
  | { readonly type: 'failed' };

/** What the worker says over the port after the head. */
export type Wanted = 'pull' | 'cancel';

/** What the worker tells a shell without being asked. */
export interface LeftOut {
  readonly type: 'left_out';
  /** The host that nothing was asked of. */
  readonly host: string;
}
