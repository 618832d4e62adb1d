/** Carries the frame's requests: what the service worker asks for goes to the site, and the answer back to it. */

import { PeerError } from '../../../widget/src/core/errors';
import { CONTENT_BYTES } from '../limits';
import { kindOf, shownHeaders } from '../site/answer';
import { ACCEPTED, decoded } from '../site/decoded';
import { withoutHints } from '../site/hints';
import { inserted } from '../site/inserted';
import type { Places } from '../site/places';
import { troubleOf } from '../trouble';
import type { Asked, Told, Wanted } from '../worker/talk';
import type { Exchange } from '../page/exchange';
import type { ReadingWork } from '../page/page';

/** Headers of the frame's request that say something about this browser's place, or that the exit sets itself. */
const NOT_SENT = new Set([
  'accept-encoding', 'connection', 'content-length', 'cookie', 'host', 'origin', 'priority', 'referer', 'te',
  'upgrade-insecure-requests', 'via', 'x-forwarded-for',
]);

export class Carrier {
  readonly #places: Places;
  readonly #work: ReadingWork;
  readonly #script: string;

  /** `script` is the tag of the inner script. */
  constructor(places: Places, work: ReadingWork, script: string) {
    this.#places = places;
    this.#work = work;
    this.#script = script;
  }

  /** Answer what a service worker asked, over `port`. Never rejects. */
  async carry(asked: Asked, port: MessagePort): Promise<void> {
    const tell = (told: Told) => port.postMessage(told, told.type === 'bytes' ? [told.bytes] : []);
    tell({ type: 'taken' });
    const exchange = this.#start(asked);
    try {
      const { status, headers, body } = await this.#answer(asked, exchange);
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
          this.#work.trouble(troubleOf(error));
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

  async #answer(asked: Asked, exchange: Exchange) {
    if ((asked.body?.byteLength ?? 0) > CONTENT_BYTES) throw new PeerError('limit', 'a large request');
    const { status, fields } = await exchange.head;
    const url = new URL(asked.url);
    for (const [name, value] of fields) if (name === 'set-cookie') this.#work.jar.set(value, url);
    const whole = decoded(exchange.content(), fields);
    if (!whole) throw new PeerError('malformed', 'an unknown encoding');
    const kind = asked.document ? kindOf(fields) : null;
    const isChanged = whole.undone || kind?.isHtml === true;
    const headers = shownHeaders(fields, { url, kind, isChanged }, this.#places);
    if (!kind?.isHtml) return { status, headers, body: whole.body };
    return { status, headers, body: whole.body.pipeThrough(withoutHints()).pipeThrough(inserted(this.#script, kind.charset)) };
  }

  #siteAddress(address: string): URL | null {
    return URL.canParse(address) ? this.#places.siteAddress(new URL(address), null) : null;
  }
}
