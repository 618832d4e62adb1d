/** Carries the frame's requests: what the service worker asks for goes to the site, and the answer back to it. */

import { PeerError } from '../../../widget/src/core/errors';
import { CONTENT_BYTES } from '../limits';
import { shownHeaders, type Header } from '../site/answer';
import { ACCEPTED, decoded } from '../site/decoded';
import { inserted } from '../site/inserted';
import type { Jar } from '../site/jar';
import type { Places } from '../site/places';
import { troubleOf, type Trouble } from '../trouble';
import type { Asked, Told, Wanted } from '../worker/talk';
import { Exchange, type Ways } from '../page/exchange';

/** Headers of the frame's request that say something about this browser's place, or that the exit sets itself. */
const NOT_SENT = new Set([
  'accept-encoding', 'connection', 'content-length', 'cookie', 'host', 'origin', 'priority', 'referer', 'te',
  'upgrade-insecure-requests', 'via', 'x-forwarded-for',
]);

export interface CarrierEvents {
  /** A request of the page could not be answered, or answers come again. */
  trouble(trouble: Trouble | null): void;
}

export class Carrier {
  readonly #places: Places;
  readonly #jar: Jar;
  readonly #ways: Ways;
  readonly #script: string;
  readonly #events: CarrierEvents;

  /** `script` is the tag of the inner script. */
  constructor(places: Places, jar: Jar, ways: Ways, script: string, events: CarrierEvents) {
    this.#places = places;
    this.#jar = jar;
    this.#ways = ways;
    this.#script = script;
    this.#events = events;
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
          this.#events.trouble(troubleOf(error));
          tell({ type: 'failed' });
        }
      };
      tell({ type: 'head', status, headers });
      this.#events.trouble(null);
    } catch (error) {
      exchange.cancel();
      this.#events.trouble(troubleOf(error));
      tell({ type: 'failed' });
    }
  }

  #start(asked: Asked): Exchange {
    const url = new URL(asked.url);
    const headers = asked.headers.filter(([name]) => !NOT_SENT.has(name) && !name.startsWith('sec-'));
    headers.push(['accept-encoding', ACCEPTED]);
    const cookies = asked.credentials ? this.#jar.header(url) : null;
    if (cookies) headers.push(['cookie', cookies]);
    const referrer = asked.referrer && this.#siteAddress(asked.referrer);
    if (referrer) {
      headers.push(['referer', referrer.origin === url.origin ? referrer.href : `${referrer.origin}/`]);
      if (asked.method !== 'GET' && asked.method !== 'HEAD') headers.push(['origin', referrer.origin]);
    }
    const content = asked.body && new Uint8Array(asked.body);
    return new Exchange({ url, method: asked.method, headers, content }, this.#ways);
  }

  async #answer(asked: Asked, exchange: Exchange) {
    if ((asked.body?.byteLength ?? 0) > CONTENT_BYTES) throw new PeerError('limit', 'a large request');
    const { status, fields } = await exchange.head;
    const url = new URL(asked.url);
    for (const [name, value] of fields) if (name === 'set-cookie') this.#jar.set(value, url);
    const content = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        async pull(controller) {
          const bytes = await exchange.read();
          if (bytes) controller.enqueue(bytes);
          else controller.close();
        },
        cancel: () => exchange.cancel(),
      },
      { highWaterMark: 0 },
    );
    const whole = decoded(content, fields);
    if (!whole) throw new PeerError('malformed', 'an unknown encoding');
    const isDocument = asked.document && isHtml(fields);
    const headers = shownHeaders(fields, url, this.#places, whole.undone || isDocument);
    return { status, headers, body: isDocument ? whole.body.pipeThrough(inserted(this.#script)) : whole.body };
  }

  #siteAddress(address: string): URL | null {
    return URL.canParse(address) ? this.#places.siteAddress(new URL(address), null) : null;
  }
}

const isHtml = (fields: readonly Header[]) =>
  fields.some(([name, value]) => name === 'content-type' && /^\s*(?:text\/html|application\/xhtml)/i.test(value));
