/** What the reader does with the links and forms of the site's pages, and new tabs: what is the site's stays on the
 * mirror, and about anything else the reader is asked.
 *
 * The frame's sandbox lets nothing of the site open a tab, whatever element or script tries, so this page opens it. That
 * a link leads elsewhere is hidden from the browser while the pointer is on it: browsers connect to where a link leads as
 * soon as it is pressed.
 */

import { openAgreed, openTab, takeOpen } from '../face/newtab';
import type { Frame } from './frame';

type Realm = Window & typeof globalThis;
type Place = Window | ShadowRoot;

const XLINK = 'http://www.w3.org/1999/xlink';
/** HTML has two kinds of links, SVG names its own alike, and each element of MathML can be one. */
const LINKS = 'a[*|href],area[*|href],math[*|href],math [*|href]';
/** Where a link outside the site leads while the pointer is on it. Whoever has the browser open it in a tab is asked there. */
const COVER = `${location.origin}/#passerelle-outside=`;

/** What a script holds of a tab that was opened for it: a tab of the reader's is nobody else's. */
const OPENED = { closed: false, focus() {}, blur() {}, close() {}, postMessage() {} } as unknown as Window;

/** What links outside the site say that are covered. */
const covered = new WeakMap<Element, string>();
/** Clicks that were seen already: a shadow tree and the window around it both tell of one. */
const seen = new WeakSet<Event>();
const wrapped = new WeakSet<Window>();

/** Watch `place` from now on. What is watched already is watched once. */
export function guard(place: Place, frame: Frame): void {
  if (!leaving) {
    takeOpen();
    leaving = new Leaving(frame);
  }
  leaving.watch(place);
}
let leaving: Leaving | null = null;

class Leaving {
  readonly #frame: Frame;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  watch(place: Place): void {
    this.#listen(place);
    if (!('document' in place) || wrapped.has(place)) return;
    wrapped.add(place);
    this.#wrap(place as Realm);
    if (!isPage(place) || !place.location.href.startsWith(COVER)) return;
    const address = decodeURIComponent(place.location.href.slice(COVER.length));
    place.history.replaceState(place.history.state, '', place.location.pathname);
    this.#frame.outside(address);
  }

  #listen(place: Place): void {
    for (const [kind, hear] of Object.entries(this.#heard)) place.addEventListener(kind, hear, true);
  }

  readonly #heard: Readonly<Record<string, (event: Event) => void>> = {
    click: (event) => this.#clicked(event as MouseEvent),
    auxclick: (event) => this.#clicked(event as MouseEvent),
    submit: (event) => this.#submitted(event as SubmitEvent),
    keydown: (event) => this.#looked(event),
    pointerover: (event) => {
      this.#looked(event);
      this.#cover(linkOf(event));
    },
    pointerout: (event) => uncover(linkOf(event)),
  };

  /** No event tells of a form that is sent in a shadow tree, and no script need have made the tree. */
  #looked(event: Event): void {
    for (const node of event.composedPath()) if ('host' in node && 'mode' in node) this.#listen(node as ShadowRoot);
  }

  #cover(link: Element | null): void {
    const name = link && nameIn(link);
    const url = name && absolute(name.value, link);
    if (!name || !url || !isWeb(url)) return;
    const target = this.#here(url, link);
    if (target === url.href) return;
    if (target === null) covered.set(link, name.value);
    name.value = target ?? COVER + encodeURIComponent(url.href);
  }

  #here(url: URL, { ownerDocument }: Element): string | null {
    // A document in an attribute, and an empty one, have no address of their own.
    const own = ownerDocument.URL;
    return this.#frame.here(url.href, /^https?:/.test(own) ? own : ownerDocument.baseURI);
  }

  #clicked(event: MouseEvent): void {
    this.#looked(event);
    const link = linkOf(event);
    const name = link && nameIn(link);
    if (!link || !name || seen.has(event)) return;
    seen.add(event);
    link.removeAttribute('ping');
    // The site's scripts find what they wrote. The pointer may be about to press again.
    if (uncover(link)) setTimeout(() => this.#cover(link));
    const url = absolute(name.value, link);
    if (!url) return;
    const window = link.ownerDocument.defaultView;
    const named = window ? targetOf(window, link, 'target') : '';
    const isOther = event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (isWeb(url)) {
      const target = this.#here(url, link);
      if (target === null) {
        event.preventDefault();
        return this.#frame.outside(url.href);
      }
      if (target !== url.href) name.value = target;
      if (/^_top$/i.test(named)) {
        event.preventDefault();
        return this.#frame.go(target);
      }
    }
    if (isOther || !window || link.hasAttribute('download') || !isNew(window, named)) return;
    // The site's own scripts may have something else in mind.
    setTimeout(() => event.defaultPrevented || this.#opens(url, link, /(?:^|\s)opener\b/i.test(link.getAttribute('rel') ?? '')));
  }

  /** Open what would be a new tab; return whether that is one. `isKnown` has it begin with what this tab remembers. */
  #opens(url: URL, from: Element, isKnown: boolean): boolean {
    if (isWeb(url)) {
      const target = this.#here(url, from);
      if (target === null) this.#frame.outside(url.href);
      else setTimeout(isKnown ? openAgreed : openTab, 0, target);
      return target !== null;
    }
    if (url.protocol === 'blob:') {
      // A tab of what a script made would be out of this page's hands. It is kept as a file.
      Object.assign(document.createElement('a'), { href: url.href, download: '' }).click();
    } else if (/^(?:mailto|tel|sms):$/.test(url.protocol)) {
      from.ownerDocument.defaultView?.location.assign(url);
    }
    return false;
  }

  #submitted(event: SubmitEvent): void {
    const form = event.composedPath()[0] as HTMLFormElement;
    if (seen.has(event) || form.localName !== 'form') return;
    seen.add(event);
    if (!this.#send(form, event.submitter)) event.preventDefault();
  }

  /** Have a form go to the mirror; return false for one that leaves the site, about which the reader is asked.
   *
   * What would be shown in a new tab is shown here: a tab that the shell opens could not be sent anything.
   */
  #send(form: HTMLFormElement, submitter: Element | null): boolean {
    const window = form.ownerDocument.defaultView;
    // A field of the form's may hide the form's own properties.
    const read = (element: Element, name: string) => Element.prototype.getAttribute.call(element, name);
    const [element, name] = submitter && read(submitter, 'formaction') !== null ? [submitter, 'formaction'] : [form, 'action'];
    const url = absolute(read(element, name) || form.ownerDocument.URL, form);
    if (url && isWeb(url)) {
      const target = this.#here(url, form);
      if (target === null) {
        this.#frame.outside(url.href);
        return false;
      }
      if (target !== url.href) Element.prototype.setAttribute.call(element, name, target);
    }
    if (!window) return true;
    for (const [one, said] of [[submitter, 'formtarget'], [form, 'target']] as const) {
      const named = one && targetOf(window, one, said);
      if (one && named && isNew(window, named)) Element.prototype.setAttribute.call(one, said, '_self');
    }
    return true;
  }

  /** Scripts do the same without an event, or with one that no listener hears. */
  #wrap(window: Realm): void {
    const leaving = this;
    const { open } = window;
    window.open = (url?: string | URL, target?: string, features?: string) => {
      const from = window.document.documentElement;
      const named = mapped(window, target || '_blank');
      const address = absolute(String(url ?? ''), from);
      if (isNew(window, named)) return url && address && leaving.#opens(address, from, !/noopener|noreferrer/i.test(features ?? '')) ? OPENED : null;
      const here = address && isWeb(address) ? leaving.#here(address, from) : String(url ?? '');
      if (here !== null) return open.call(window, here, named, features);
      leaving.#frame.outside(address!.href);
      return null;
    };
    const { submit } = window.HTMLFormElement.prototype;
    window.HTMLFormElement.prototype.submit = function () {
      if (leaving.#send(this, null)) submit.call(this);
    };
    const { click } = window.HTMLElement.prototype;
    window.HTMLElement.prototype.click = function () {
      leaving.#alone(this);
      click.call(this);
    };
    const { dispatchEvent } = window.EventTarget.prototype;
    window.EventTarget.prototype.dispatchEvent = function (event) {
      leaving.#alone(this);
      return dispatchEvent.call(this, event);
    };
  }

  /** A click on a link that is in no document reaches no window. */
  #alone(target: EventTarget): void {
    const link = target as Partial<Element> | undefined;
    if (link?.isConnected === false && link.matches?.(LINKS)) target.addEventListener('click', this.#heard.click!, { capture: true, once: true });
  }
}

/** Give a link its own address back; return false for one that has it. */
function uncover(link: Element | null): boolean {
  const own = link && covered.get(link);
  const name = link && nameIn(link);
  if (!name || own == null) return false;
  covered.delete(link);
  // A script may have written another one since.
  if (name.value.startsWith(COVER)) name.value = own;
  return true;
}

const linkOf = (event: Event): Element | null =>
  (event.composedPath() as Element[]).find((node) => node.matches?.(LINKS)) ?? null;

const nameIn = ({ attributes }: Element): Attr | null =>
  attributes.getNamedItemNS(null, 'href') ?? attributes.getNamedItemNS(XLINK, 'href');

const absolute = (address: string, { baseURI }: Element): URL | null =>
  URL.canParse(address, baseURI) ? new URL(address, baseURI) : null;

const isWeb = ({ protocol }: URL): boolean => /^https?:$/.test(protocol);

/** Tell whether `window` is that of a page, and not of a frame in one. */
const isPage = (window: Window): boolean => window.parent === top;

/** Return where something opens that says `target`. The page around the site's is not the site's. */
const mapped = (window: Window, target: string): string =>
  isPage(window) && /^_(?:top|parent)$/i.test(target) ? '_self' : target;

/** Return where an element's target opens, and have the element say so. */
function targetOf(window: Window, element: Element, name: string): string {
  const given = Element.prototype.getAttribute.call(element, name);
  const named = given || window.document.querySelector('base[target]')?.getAttribute('target') || '';
  const target = mapped(window, named);
  if (target !== named) Element.prototype.setAttribute.call(element, name, target);
  return target;
}

/** Tell whether nothing is named so, and a new tab would be. */
const isNew = (window: Window, name: string): boolean =>
  !/^(?:_self|_parent|_top)?$/i.test(name) &&
  ![window, window.parent].some((around) =>
    around.name === name || around.document.querySelector(`:is(iframe,frame)[name="${CSS.escape(name)}"]`));
