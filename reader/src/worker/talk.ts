/** What worker and shell say to each other about one request. The shell pulls nothing by itself: the worker asks for
 * bytes when the page wants them, so a page that stops reading stops the site's answer too.
 */

import type { Known } from '../page/exchange';
import type { Header } from '../site/answer';
import type { Cookie } from '../site/jar';

/** A request of the frame, sent to the shell with a port of its own. */
export interface Asked {
  readonly type: 'ask';
  /** The worker's lock (`life.ts`). */
  readonly life: string;
  /** Unix time in ms after which another shell is asked, and this one must not begin any more. */
  readonly until_ms: number;
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
  /** The page, an address on the mirror, that is incomplete without this answer; empty if none is. */
  readonly page: string;
  /** What another shell carried of the answer before it ended: the rest is wanted. */
  readonly known: Known | null;
}

/** What the shell answers over the port. */
export type Told =
  /** This shell carries the request, and holds this lock. Where it says nothing for a while, another one is asked. */
  | { readonly type: 'taken'; readonly life: string }
  /** `known` is what another shell needs in order to go on; null where the content is not as the site sent it. */
  | { readonly type: 'head'; readonly status: number; readonly headers: readonly Header[]; readonly known: Known | null }
  | { readonly type: 'bytes'; readonly bytes: ArrayBuffer }
  | { readonly type: 'end' }
  /** Nothing more comes; the shell tells the reader why. */
  | { readonly type: 'failed' };

/** What the worker says over the port after the head. */
export type Wanted = 'pull' | 'cancel';

/** What the worker tells all shells without being asked. */
export type Notice =
  /** Nothing was asked of this host. */
  | { readonly type: 'left_out'; readonly host: string }
  /** An address that a frame was to show is no page of the site. */
  | { readonly type: 'nowhere' }
  /** A part of this page, an address on the mirror, was cut off. */
  | { readonly type: 'cut'; readonly page: string }
  /** The site answered after all, and a reload shows its answer. */
  | { readonly type: 'reached' };

/** What a shell that ends tells the worker. */
export interface Keep {
  readonly type: 'keep';
  readonly cookies: readonly Cookie[];
}

/** What shells tell the worker; `stay` while an answer is not over. */
export type FromShell = 'claim' | 'stay' | Keep;

/** The channel on which tabs share the site's cookies. */
export const COOKIES = 'passerelle cookies';

/** What is said there. */
export type CookieTalk =
  /** A cookie was set: by the site's answer from `url`, or by a script of the page at `url`. */
  | { readonly type: 'set'; readonly line: string; readonly url: string; readonly byScript: boolean }
  /** The tab `id` is new. */
  | { readonly type: 'ask'; readonly id: string }
  | { readonly type: 'have'; readonly id: string; readonly cookies: readonly Cookie[] }
  | { readonly type: 'forget' };
