/** Carries the frame's requests: what the service worker asks for goes to the site, and the answer back to it. */

import { PeerError } from '../../../widget/src/core/errors';
import { CONTENT_BYTES, PAGE_BYTES } from '../limits';
import { field, isLaidOut, isShown, kindOf, redirect, shownHeaders } from '../site/answer';
import { ACCEPTED, decoded } from '../site/decoded';
import { withoutHints } from '../site/hints';
import { inserted } from '../site/inserted';
import type { Places } from '../site/places';
import { ReadingProblem, troubleOf, type Trouble } from '../trouble';
import { asFarAsItComes } from '../wire/bounded';
import type { Asked, Told, Wanted } from '../worker/talk';
import { sayToWorker } from './service';
import { continuable, isEvents, type Exchange, type Head } from '../page/exchange';
import type { ReadingWork } from '../page/page';
import { hold, watch } from '../worker/life';

/** Headers of the frame's request that say something about this browser's place, or that the exit sets itself. */
const NOT_SENT = new Set([
  'accept-encoding', 'connection', 'content-length', 'cookie', 'host', 'origin', 'priority', 'referer', 'te',
  'upgrade-insecure-requests', 'via', 'x-forwarded-for',
]);

/** The page that the frame itself is to show next. */
export interface NextPage {
  /** Tell whether `url`, an address of the site, is that page's. */
  is(url: URL): boolean;
  /** It lies at another address of the site. Throws ReadingProblem when it was moved too often. */
  moved(target: URL): void;
  /** It is none: the frame goes on showing what it shows. */
  stays(): void;
}

/** Firefox stops a worker 30 to 60 s after its last event, and takes what had come of a body for all of it. */
const STAY_MS = 5_000;

/** A browser that stopped a worker sends what had no answer again in this time. */
const AGAIN_MS = 10_000;

export class Carrier {
  readonly #places: Places;
  readonly #work: ReadingWork;
  readonly #script: string;
  readonly #next: NextPage;
  readonly #cut: (page: string) => void;
  readonly #life = hold();
  /** Requests whose answers have not begun for the browser, and the keys by which the exit knows a repetition. */
  readonly #begun = new Map<Asked, string>();
  /** What is wrong with the page that the frame shows. What else comes does not mend it. */
  #pageTrouble: Trouble | null = null;

  /** `script` is the tag of the inner script. `cut` is called with a page whose worker was stopped before all of it
   * was there. */
  constructor(places: Places, work: ReadingWork, script: string, next: NextPage, cut: (page: string) => void) {
    this.#places = places;
    this.#work = work;
    this.#script = script;
    this.#next = next;
    this.#cut = cut;
  }

  /** Answer what a service worker asked, over `port`. Never rejects. */
  async carry(asked: Asked, port: MessagePort): Promise<void> {
    const over = new AbortController();
    const tell = (told: Told) => {
      if (told.type === 'end' || told.type === 'failed') over.abort();
      port.postMessage(told, told.type === 'bytes' ? [told.bytes] : []);
    };
    const life = await this.#life;
    // This tab was frozen for a while, and another one carries it by now.
    if (Date.now() > asked.until_ms) return;
    tell({ type: 'taken', life });
    const timer = setInterval(() => sayToWorker('stay'), STAY_MS);
    over.signal.addEventListener('abort', () => clearInterval(timer));
    await this.#work.jar.ready;
    const exchange = this.#start(asked);
    const isPage = asked.document && this.#next.is(new URL(asked.url));
    const end = () => {
      over.abort();
      exchange.cancel();
      port.close();
    };
    const wrong = (trouble: Trouble) => {
      if (over.signal.aborted) return;
      if (isPage) this.#pageTrouble = trouble;
      // A browser says nothing of a picture that is cut off, either.
      if (trouble !== 'cut' || asked.document) this.#work.trouble(trouble);
    };
    const fail = (error: unknown) => {
      if (over.signal.aborted) return;
      wrong(troubleOf(error));
      this.#begun.delete(asked);
      exchange.cancel();
      tell({ type: 'failed' });
    };
    watch(asked.life, over.signal, () => {
      setTimeout(() => this.#begun.delete(asked), AGAIN_MS);
      end();
      this.#cut(asked.page);
    });
    try {
      if ((asked.body?.byteLength ?? 0) > CONTENT_BYTES) throw new PeerError('limit', 'a large request');
      const head = await exchange.head;
      if (isPage) this.#pageTrouble = null;
      const { status, headers, body, known } = this.#answer(asked, head, exchange, wrong);
      const reader = body.getReader();
      port.onmessage = async ({ data }: MessageEvent<Wanted>) => {
        // The browser has the head from the worker, and asks for nothing again.
        this.#begun.delete(asked);
        if (data === 'cancel') return end();
        try {
          const { value, done } = await reader.read();
          if (!over.signal.aborted) tell(done ? { type: 'end' } : { type: 'bytes', bytes: value.slice().buffer });
        } catch (error) {
          if (isEvents(head)) tell({ type: 'failed' });
          else fail(error);
        }
      };
      tell({ type: 'head', status, headers, known });
      this.#work.trouble(this.#pageTrouble);
    } catch (error) {
      fail(error);
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
    const key = this.#key(asked);
    this.#begun.set(asked, key);
    return this.#work.ask({ url, method: asked.method, headers, content, key, known: asked.known });
  }

  /** Return the key of a request: a known one if it is the repetition of what another worker asked. */
  #key(asked: Asked): string {
    for (const [other, key] of this.#begun) {
      if (other.life !== asked.life && same(other, asked)) return key;
    }
    return crypto.randomUUID();
  }

  #answer(asked: Asked, head: Head, exchange: Exchange, wrong: (trouble: Trouble) => void) {
    const { status, fields } = head;
    const url = new URL(asked.url);
    for (const [name, value] of fields) if (name === 'set-cookie') this.#work.jar.set(value, url);
    const target = redirect(status, fields, url);
    const isPage = asked.document && this.#next.is(url);
    if (target && !this.#places.mirrorAddress(target)) return this.#leave(target, isPage, exchange);
    const kind = asked.document ? kindOf(fields) : null;
    const content = exchange.content();
    // What has come is unpacked to its last byte before the end.
    const isBounded = kind !== null && isLaidOut(kind, fields);
    const cut = (isLong: boolean) => wrong(isLong ? 'large' : 'cut');
    const whole = decoded(isBounded ? asFarAsItComes(content, Infinity, cut) : content, fields);
    if (!whole) throw new ReadingProblem('site_silent');
    const isChanged = whole.undone || isBounded;
    const headers = shownHeaders(fields, { url, kind, isChanged }, this.#places);
    if (isPage && target) this.#next.moved(target);
    if (isPage && !target && kind && (status === 204 || !isShown(kind, fields))) {
      // A frame like this one shows no PDF and no other plug-in's file.
      if (!field(fields, 'content-disposition')) headers.push(['content-disposition', 'attachment']);
      this.#next.stays();
    }
    const known = isChanged ? null : continuable(head);
    const bounded = isBounded ? asFarAsItComes(whole.body, PAGE_BYTES, cut).pipeThrough(noting(() => isPage && !target && wrong('empty'))) : whole.body;
    if (!kind?.isHtml) return { status, headers, body: bounded, known };
    const body = bounded
      .pipeThrough(inserted(this.#script, kind.charset))
      .pipeThrough(withoutHints((address) => this.#leavesSite(address, url)));
    return { status, headers, body, known };
  }

  /** Tell whether `address`, in a page at `url`, is another host's; such a place is left out. */
  #leavesSite(address: string, url: URL): boolean {
    const target = URL.canParse(address, url.href) ? new URL(address, url.href) : null;
    const isOutside = target !== null && /^https?:$/.test(target.protocol) && !this.#places.mirrorAddress(target);
    if (isOutside) this.#work.leftOut(target.host);
    return isOutside;
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
    return { status: isPage ? 204 : 403, headers: [], body: new Blob([]).stream(), known: null };
  }

  #siteAddress(address: string): URL | null {
    return URL.canParse(address) ? this.#places.siteAddress(new URL(address), null) : null;
  }
}

/** Return a stream that lets everything pass, and calls `empty` at the end where there was nothing but space. */
function noting(empty: () => void): TransformStream<Uint8Array, Uint8Array> {
  let isEmpty = true;
  return new TransformStream({
    transform(chunk, controller) {
      isEmpty &&= !chunk.some((byte) => byte > 32);
      controller.enqueue(chunk);
    },
    flush: () => void (isEmpty && empty()),
  });
}

function same(a: Asked, b: Asked): boolean {
  const [x, y] = [new Uint8Array(a.body ?? []), new Uint8Array(b.body ?? [])];
  return a.method === b.method && a.url === b.url && x.length === y.length && x.every((byte, at) => byte === y[at]);
}
