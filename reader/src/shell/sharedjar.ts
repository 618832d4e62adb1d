/** The cookies of a tab, which the reader's other tabs have too. They are in memory only: whoever is open tells a new tab
 * what there is, and the worker does when the only one is loaded again. */

import { Jar } from '../site/jar';
import { COOKIES, type CookieTalk } from '../worker/talk';
import { sayToWorker } from './service';

/** Whoever has cookies says so in this time. Links take longer to open. */
const TOLD_MS = 150;

export class SharedJar extends Jar {
  /** Resolves once the cookies of other tabs are here. */
  override readonly ready: Promise<void>;
  readonly #channel = new BroadcastChannel(COOKIES);
  readonly #id = crypto.randomUUID();

  /** `forgotten` is called when another tab has everything forgotten. */
  constructor(isSite: (host: string) => boolean, forgotten: () => void) {
    super(isSite);
    this.ready = new Promise((resolve) => {
      setTimeout(resolve, TOLD_MS);
      this.#channel.onmessage = ({ data }: MessageEvent<CookieTalk>) => {
        if (data.type === 'set') this.#take(data.line, new URL(data.url), data.byScript);
        else if (data.type === 'forget') {
          super.clear();
          forgotten();
        }
        else if (data.type === 'ask' && this.all().length > 0) this.#say({ type: 'have', id: data.id, cookies: this.all() });
        else if (data.type === 'have' && data.id === this.#id) {
          this.add(data.cookies);
          resolve();
        }
      };
    });
    this.#say({ type: 'ask', id: this.#id });
    addEventListener('pagehide', () => {
      if (this.all().length > 0) sayToWorker({ type: 'keep', cookies: this.all() });
    });
  }

  override set(line: string, url: URL): void {
    super.set(line, url);
    this.#say({ type: 'set', line, url: url.href, byScript: false });
  }

  override setByScript(text: string, url: URL): void {
    super.setByScript(text, url);
    this.#say({ type: 'set', line: text, url: url.href, byScript: true });
  }

  /** Forget all cookies, in all tabs. */
  override clear(): void {
    super.clear();
    this.#say({ type: 'forget' });
  }

  #take(line: string, url: URL, byScript: boolean): void {
    if (byScript) super.setByScript(line, url);
    else super.set(line, url);
  }

  #say(talk: CookieTalk): void {
    this.#channel.postMessage(talk);
  }
}
