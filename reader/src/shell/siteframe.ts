/** The frame in which the site is shown, and its history.
 *
 * A frame's own entries are lost when the page around it is loaded again. So each new page of the site becomes an entry
 * of the shell, whose address is the page's own, and the frame only ever replaces what it shows.
 */

import { element } from '../face/element';
import type { Jar } from '../site/jar';
import type { Places } from '../site/places';
import type { Frame } from './frame';

/** No navigation of the whole page, no pop-ups without a click; scripts and the same origin are needed for the worker. */
const SANDBOX = 'allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-modals allow-downloads';

export interface SiteFrameEvents {
  /** A page is there. */
  shown(title: string): void;
  leftOut(host: string): void;
  /** The reader chose an address that is not the site's. */
  outside(address: string): void;
}

/** What an entry of the history remembers. */
interface Entry {
  readonly y: number;
}

export class SiteFrame {
  readonly element: HTMLIFrameElement;
  readonly #places: Places;
  readonly #jar: Jar;
  readonly #events: SiteFrameEvents;
  #scroll = 0;
  /** Whether the page that was asked for is there. */
  #isShown = false;
  /** The page that was mended last. */
  #mended = '';

  /** Shows the page that the address bar names. */
  constructor(places: Places, jar: Jar, events: SiteFrameEvents) {
    this.#places = places;
    this.#jar = jar;
    this.#events = events;
    this.element = element('iframe', { name: 'site', sandbox: SANDBOX, title: document.title });
    history.scrollRestoration = 'manual';
    Object.defineProperty(window, 'passerelle', { value: this.#frame(), configurable: false, writable: false });
    addEventListener('popstate', ({ state }: PopStateEvent) => {
      this.#scroll = (state as Entry | null)?.y ?? 0;
      this.#replace(location.href);
    });
    this.#scroll = (history.state as Entry | null)?.y ?? 0;
    this.#replace(location.href);
  }

  /** Ask once more for the page that did not come. */
  again(): void {
    if (!this.#isShown) this.#replace(location.href);
  }

  /** A part of the page at `address`, on the mirror, was cut off: ask for the page once more if it is the frame's. */
  mend(address: string): void {
    const frame = this.element.contentWindow;
    const wanted = this.#isShown ? frame?.location.href : location.href;
    // A page that is cut off again stays as it is.
    if (address !== wanted || address === this.#mended) return;
    this.#mended = address;
    // Chromium ignores a navigation to where another one hangs.
    frame?.stop();
    if (this.#isShown) this.#scroll = frame?.scrollY ?? 0;
    this.#replace(location.href);
  }

  #replace(address: string): void {
    this.#isShown = false;
    const { contentWindow } = this.element;
    if (contentWindow) contentWindow.location.replace(address);
    else this.element.src = address;
  }

  #frame(): Frame {
    const siteAddress = (page: string) => this.#places.siteAddress(new URL(page, location.href), null);
    return Object.freeze({
      cookies: (page: string) => {
        const address = siteAddress(page);
        return address ? this.#jar.scriptText(address) : '';
      },
      setCookie: (page: string, text: string) => {
        const address = siteAddress(page);
        if (address) this.#jar.setByScript(text, address);
      },
      go: (address: string) => {
        if (new URL(address).origin !== location.origin) return;
        this.#keepScroll();
        history.pushState({ y: 0 } satisfies Entry, '', address);
        this.#mended = '';
        this.#scroll = 0;
        this.#replace(address);
      },
      shows: (address: string, title: string) => {
        this.#isShown = true;
        const url = new URL(address);
        if (url.origin === location.origin && url.href !== location.href) {
          history.replaceState(history.state, '', url.pathname + url.search + url.hash);
        }
        this.#events.shown(title);
        if (this.#scroll > 0) this.element.contentWindow?.scrollTo(0, this.#scroll);
        this.#scroll = 0;
      },
      leftOut: (host: string) => this.#events.leftOut(host),
      outside: (address: string) => this.#events.outside(address),
    });
  }

  #keepScroll(): void {
    const y = Math.round(this.element.contentWindow?.scrollY ?? 0);
    history.replaceState({ y } satisfies Entry, '');
  }
}
