/** Carries the frame's requests: what the service worker asks for goes to the site, and the answer back to it. */

import { PeerError } from '../../../widget/src/core/errors';
import { CONTENT_BYTES } from '../limits';
import { kindOf, shownHeaders } from '../site/answer';
import { ACCEPTED, decoded } from '../site/decoded';
import { withoutHints } from '../site/hints';
import { inserted } from '../site/inserted';
import type { Places } from '../site/places';
import { ReadingProblem, troubleOf } from '../trouble';
import type { Asked, Told, Wanted } from '../worker/talk';
import { sayToWorker } from './service';
import { continuable, type Exchange } from '../page/exchange';
import type { ReadingWork } from '../page/page';
import { hold, watch } from '../worker/life';

/** Headers of the frame's request that say something about this browser's place, or that the exit sets itself. */
const NOT_SENT = new Set([
  'accept-encoding', 'connection', 'content-length', 'cookie', 'host', 'origin', 'priority', 'referer', 'te',
  'upgrade-insecure-requests', 'via', 'x-forwarded-for',
]);

/** Firefox stops a worker 30 to 60 s after its last event, and takes what had come of a body for all of it. */
const STAY_MS = 5_000;

export class Carrier {
  readonly #places: Places;
  readonly #work: ReadingWork;
  readonly #script: string;
  readonly #cut: (page: string) => void;
  readonly #life = hold();

  /** `script` is the tag of the inner script. `cut` is called with a page whose worker was stopped before all of it
   * was there. */
  constructor(places: Places, work: ReadingWork, script: string, cut: (page: string) => void) {
    this.#places = places;
    this.#work = work;
    this.#script = script;
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
    const end = () => {
      over.abort();
      exchange.cancel();
      port.close();
    };
    const fail = (error: unknown) => {
      if (over.signal.aborted) return;
      this.#work.trouble(troubleOf(error));
      exchange.cancel();
      tell({ type: 'failed' });
    };
    watch(asked.life, over.signal, () => {
      end();
      this.#cut(asked.page);
    });
    try {
      const { status, headers, body, known } = await this.#answer(asked, exchange);
      const reader = body.getReader();
      port.onmessage = async ({ data }: MessageEvent<Wanted>) => {
        if (data === 'cancel') return end();
        try {
          const { value, done } = await reader.read();
          if (!over.signal.aborted) tell(done ? { type: 'end' } : { type: 'bytes', bytes: value.slice().buffer });
        } catch (error) {
          fail(error);
        }
      };
      tell({ type: 'head', status, headers, known });
      this.#work.trouble(null);
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
    return this.#work.ask({ url, method: asked.method, headers, content, known: asked.known });
  }

  async #answer(asked: Asked, exchange: Exchange) {
    if ((asked.body?.byteLength ?? 0) > CONTENT_BYTES) throw new PeerError('limit', 'a large request');
    const head = await exchange.head;
    const { status, fields } = head;
    const url = new URL(asked.url);
    for (const [name, value] of fields) if (name === 'set-cookie') this.#work.jar.set(value, url);
    const whole = decoded(exchange.content(), fields);
    if (!whole) throw new ReadingProblem('site_silent');
    const kind = asked.document ? kindOf(fields) : null;
    const isChanged = whole.undone || kind?.isHtml === true;
    const headers = shownHeaders(fields, { url, kind, isChanged }, this.#places);
    const known = isChanged ? null : continuable(head);
    if (!kind?.isHtml) return { status, headers, body: whole.body, known };
    const body = whole.body.pipeThrough(withoutHints()).pipeThrough(inserted(this.#script, kind.charset));
    return { status, headers, body, known };
  }

  #siteAddress(address: string): URL | null {
    return URL.canParse(address) ? this.#places.siteAddress(new URL(address), null) : null;
  }
}
