/** The frame in which the site is shown, and its history.
 *
 * A frame's own entries are lost when the page around it is loaded again. So each new page of the site becomes an entry
 * of the shell, whose address is the page's own, and the frame only ever replaces what it shows.
 */

import { element } from '../face/element';
import { REDIRECTS } from '../limits';
import type { Jar } from '../site/jar';
import type { Places } from '../site/places';
import { ReadingProblem } from '../trouble';
import type { NextPage } from './carrier';
import { laterFile } from './config';
import type { Frame } from './frame';

/** No navigation of the whole page and no new tab, which the shell itself opens (`leaving.ts`); scripts and the same
 * origin are needed for the worker, and the last one for `mailto:`. */
const SANDBOX = 'allow-scripts allow-same-origin allow-forms allow-modals allow-downloads allow-top-navigation-to-custom-protocols';

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

export class SiteFrame implements NextPage {
  readonly element: HTMLIFrameElement;
  readonly #places: Places;
  readonly #jar: Jar;
  readonly #events: SiteFrameEvents;
  #scroll = 0;
  /** Where the frame goes, an address of the site without its fragment; empty once it is there. */
  #next = '';
  #isMoving = false;
  /** Redirects that led there so far. */
  #redirects = 0;
  /** The address on the mirror that becomes a new entry of the history once its page is there; empty for none. */
  #entry = '';
  /** Whether the page that was asked for is there. */
  isThere = false;
  /** The page that was mended last. */
  #mended = '';

  /** Shows the page that the address bar names. */
  constructor(places: Places, jar: Jar, events: SiteFrameEvents) {
    this.#places = places;
    this.#jar = jar;
    this.#events = events;
    this.element = element('iframe', { name: 'site', sandbox: SANDBOX, title: document.title });
    this.element.onload = () => this.#loaded();
    history.scrollRestoration = 'manual';
    // No file of the mirror's own is a page of the site.
    if (places.isOwn(new URL(location.href))) history.replaceState(null, '', '/');
    Object.defineProperty(window, 'passerelle', { value: this.#frame(), configurable: false, writable: false });
    addEventListener('popstate', ({ state }: PopStateEvent) => {
      this.#scroll = (state as Entry | null)?.y ?? 0;
      this.#replace(location.href);
    });
    this.#scroll = (history.state as Entry | null)?.y ?? 0;
    this.#replace(location.href);
  }

  /** Ask once more for the page that did not come, or whose end did not. */
  again(isCut: boolean): void {
    if (!this.isThere || isCut) this.#replace(this.#entry || location.href);
  }

  is(url: URL): boolean {
    return withoutFragment(url) === this.#next;
  }

  moved(target: URL): void {
    this.#redirects += 1;
    if (this.#redirects > REDIRECTS) throw new ReadingProblem('circle');
    this.#next = withoutFragment(target);
  }

  stays(): void {
    this.#next = '';
    this.#entry = '';
    this.isThere = true;
  }

  /** A part of the page at `address`, on the mirror, was cut off: ask for the page once more if it is the frame's. */
  mend(address: string): void {
    const frame = this.element.contentWindow;
    const wanted = this.isThere ? frame?.location.href : this.#entry || location.href;
    // A page that is cut off again stays as it is.
    if (address !== wanted || address === this.#mended) return;
    this.#mended = address;
    // Chromium ignores a navigation to where another one hangs.
    frame?.stop();
    if (this.isThere) this.#scroll = frame?.scrollY ?? 0;
    this.#replace(address);
  }

  #replace(address: string): void {
    this.isThere = false;
    this.#goes(address);
    const { contentWindow } = this.element;
    this.#isMoving = true;
    if (contentWindow) contentWindow.location.replace(address);
    else this.element.src = address;
    this.#isMoving = false;
  }

  #goes(address: string): void {
    const url = this.#places.siteAddress(new URL(address), null);
    this.#next = url ? withoutFragment(url) : '';
    this.#redirects = 0;
  }

  /** Something is there: a document with the inner script, one without, or the browser's own about an error. */
  #loaded(): void {
    try {
      const { location: shown, document: { title } } = this.element.contentWindow!;
      this.#arrives(shown.href);
      this.#shows(shown.href, title);
    } catch {
      this.#arrives(this.#entry);
    }
  }

  #arrives(address: string): void {
    if (this.#isOther(address)) {
      if (this.#entry) history.pushState({ y: 0 } satisfies Entry, '', address);
      else history.replaceState(history.state, '', address);
    }
    this.#next = '';
    this.#entry = '';
  }

  #shows(address: string, title: string): void {
    // A page that is being left may still change its title.
    if (this.#entry) return;
    this.isThere = true;
    if (this.#isOther(address)) history.replaceState(history.state, '', address);
    this.#events.shown(title);
    if (this.#scroll > 0) this.element.contentWindow?.scrollTo(0, this.#scroll);
    this.#scroll = 0;
  }

  /** Tell whether `address` is a page of the mirror, and not the one in the address bar. */
  #isOther(address: string): boolean {
    return address.startsWith(`${location.origin}/`) && address !== location.href;
  }

  #frame(): Frame {
    const siteAddress = (page: string) => this.#places.siteAddress(new URL(page, location.href), null);
    const frame: Frame = Object.freeze({
      cookies: (page: string) => {
        const address = siteAddress(page);
        return address ? this.#jar.scriptText(address) : '';
      },
      setCookie: (page: string, text: string) => {
        const address = siteAddress(page);
        if (address) this.#jar.setByScript(text, address);
      },
      here: (address: string, page: string) => {
        const target = this.#places.siteAddress(new URL(address), new URL(page));
        return target && this.#places.addressFrom(new URL(page), target)!.href;
      },
      go: (address: string) => {
        this.#keepScroll();
        this.#mended = '';
        this.#scroll = 0;
        this.#entry = address;
        this.#replace(address);
      },
      isMoving: () => this.#isMoving,
      goes: (address: string) => this.#goes(address),
      arrives: (address: string) => this.#arrives(address),
      shows: (address: string, title: string) => this.#shows(address, title),
      leftOut: (host: string) => {
        if (!this.#places.origins.some((origin) => new URL(origin).host === host)) this.#events.leftOut(host);
      },
      guard: (place: Window | ShadowRoot) => laterFile().then(({ guard }) => guard(place, frame)),
      outside: (address: string) => this.#events.outside(address),
    });
    return frame;
  }

  #keepScroll(): void {
    const y = Math.round(this.element.contentWindow?.scrollY ?? 0);
    history.replaceState({ y } satisfies Entry, '');
  }
}

function withoutFragment(url: URL): string {
  const whole = new URL(url);
  whole.hash = '';
  return whole.href;
}
