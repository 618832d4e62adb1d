/** Carries the frame's requests: what the service worker asks for goes to the site, and the answer back to it. */

import { PeerError } from '../../../widget/src/core/errors';
import { CONTENT_BYTES } from '../limits';
import { field, isShown, kindOf, redirect, shownHeaders } from '../site/answer';
import { ACCEPTED, decoded } from '../site/decoded';
import { withoutHints } from '../site/hints';
import { inserted } from '../site/inserted';
import type { Places } from '../site/places';
import { troubleOf } from '../trouble';
import type { Asked, Told, Wanted } from '../worker/talk';
import { isEvents, type Exchange, type Head } from '../page/exchange';
import type { ReadingWork } from '../page/page';

/** Headers of the frame's request that say something about this browser's place, or that the exit sets itself. */
const NOT_SENT = new Set([
  'accept-encoding', 'connection', 'content-length', 'cookie', 'host', 'origin', 'priority', 'referer', 'te',
  'upgrade-insecure-requests', 'via', 'x-forwarded-for',
]);

/** The page that the frame itself is to show next. */
export interface NextPage {
  /** Tell whether `url`, an address of the site, is that page's. */
  is(url: URL): boolean;
  /** It lies at another address of the site. */
  moved(target: URL): void;
  /** It is none: the frame goes on showing what it shows. */
  stays(): void;
}

export class Carrier {
  readonly #places: Places;
  readonly #work: ReadingWork;
  readonly #script: string;
  readonly #next: NextPage;

  /** `script` is the tag of the inner script. */
  constructor(places: Places, work: ReadingWork, script: string, next: NextPage) {
    this.#places = places;
    this.#work = work;
    this.#script = script;
    this.#next = next;
  }

  /** Answer what a service worker asked, over `port`. Never rejects. */
  async carry(asked: Asked, port: MessagePort): Promise<void> {
    const tell = (told: Told) => port.postMessage(told, told.type === 'bytes' ? [told.bytes] : []);
    tell({ type: 'taken' });
    const exchange = this.#start(asked);
    try {
      if ((asked.body?.byteLength ?? 0) > CONTENT_BYTES) throw new PeerError('limit', 'a large request');
      const head = await exchange.head;
      const { status, headers, body } = this.#answer(asked, head, exchange);
      const reader = body.getReader();
      port.onmessage = async ({ data }: MessageEvent<Wanted>) => {
        if (data === 'cancel') {
          exchange.cancel();
          port.close();
          return;
        }
        try {
          const { value, done } = await reader.read();
          tell(done ? { type: 'end' } : { type: 'bytes', bytes: value.slice().buffer });
        } catch (error) {
          if (!isEvents(head)) this.#work.trouble(troubleOf(error));
          tell({ type: 'failed' });
        }
      };
      tell({ type: 'head', status, headers });
      this.#work.trouble(null);
    } catch (error) {
      exchange.cancel();
      this.#work.trouble(troubleOf(error));
      tell({ type: 'failed' });
    }
  }

  #start(asked: Asked): Exchange {
    const url = new URL(asked.url);
    const headers = asked.headers.filter(([name]) => !NOT_SENT.has(name) && !name.startsWith('sec-'));
    headers.push(['accept-encoding', ACCEPTED]);
    const cookies = asked.credentials ? this.#work.jar.header(url) : null;
    if (cookies) headers.push(['cookie', cookies]);
    const referrer = asked.referrer && this.#siteAddress(asked.referrer);
    if (referrer) {
      headers.push(['referer', referrer.origin === url.origin ? referrer.href : `${referrer.origin}/`]);
      if (asked.method !== 'GET' && asked.method !== 'HEAD') headers.push(['origin', referrer.origin]);
    }
    const content = asked.body && new Uint8Array(asked.body);
    return this.#work.ask({ url, method: asked.method, headers, content });
  }

  #answer(asked: Asked, { status, fields }: Head, exchange: Exchange) {
    const url = new URL(asked.url);
    for (const [name, value] of fields) if (name === 'set-cookie') this.#work.jar.set(value, url);
    const target = redirect(status, fields, url);
    const isPage = asked.document && this.#next.is(url);
    if (target && !this.#places.mirrorAddress(target)) return this.#leave(target, isPage, exchange);
    const whole = decoded(exchange.content(), fields);
    if (!whole) throw new PeerError('malformed', 'an unknown encoding');
    const kind = asked.document ? kindOf(fields) : null;
    const isChanged = whole.undone || kind?.isHtml === true;
    const headers = shownHeaders(fields, { url, kind, isChanged }, this.#places);
    if (isPage && target) this.#next.moved(target);
    if (isPage && !target && kind && (status === 204 || !isShown(kind, fields))) {
      // A frame like this one shows no PDF and no other plug-in's file.
      if (!field(fields, 'content-disposition')) headers.push(['content-disposition', 'attachment']);
      this.#next.stays();
    }
    if (!kind?.isHtml) return { status, headers, body: whole.body };
    return { status, headers, body: whole.body.pipeThrough(withoutHints()).pipeThrough(inserted(this.#script, kind.charset)) };
  }

  /** The site sends the frame elsewhere. The reader decides about a page; anything else is left out. */
  #leave(target: URL, isPage: boolean, exchange: Exchange) {
    exchange.cancel();
    if (isPage) {
      this.#next.stays();
      this.#work.outside(target.href);
    } else {
      this.#work.leftOut(target.host);
    }
    // A browser goes on showing the page on which it gets an answer without content.
    return { status: isPage ? 204 : 403, headers: [], body: new Blob([]).stream() };
  }

  #siteAddress(address: string): URL | null {
    return URL.canParse(address) ? this.#places.siteAddress(new URL(address), null) : null;
  }
}
