/** Offers to go on after this page is left: in a small window of the broker's own, or by the network's extension.
 *
 * The window asks the visitor again, because a press on this page proves nothing there. Once it helps it says so, and
 * the switch of this page turns itself off, so that one visitor is one volunteer.
 */

import { isOn, type Phase } from '../core/switch/store';
import { parse } from '../core/wire/invite';
import { make, write } from '../element/view/dom';
import type { Language } from '../element/view/language';
import type { LiveHost } from '../element/view/switchview';

/** The window's size in CSS pixels. */
const WINDOW = 'popup,width=300,height=420';

/** What Chromium tells a page of itself, and the DOM's types lack. */
interface BrowserData {
  readonly brands: readonly { readonly brand: string }[];
  readonly mobile: boolean;
}

export class KeepOffer {
  readonly node: HTMLElement;
  readonly #words: Language['words'];
  readonly #host: LiveHost;
  readonly #links: readonly HTMLElement[];
  readonly #title: HTMLElement;
  #window: Window | null = null;
  /** Whether the window took over. */
  #isKept = false;

  constructor({ code, words }: Language, host: LiveHost) {
    this.#words = words;
    this.#host = host;
    this.#title = make('p', { role: 'status' });
    const isWanted = host.getAttribute('keep') !== 'none';
    const page = isWanted ? windowOf(host.network, code) : null;
    const extension = isWanted ? extensionOf(host) : null;
    this.#links = [
      ...(page ? [this.#windowLink(page)] : []),
      ...(extension ? [link(extension, words.keep_extension)] : []),
    ];
    this.node = make('div', { class: 'keep', part: 'keep' }, this.#title, ...this.#links);
  }

  show(phase: Phase): void {
    if (isOn(phase)) this.#isKept = false;
    const isOffered = phase === 'waiting' || phase === 'helping';
    for (const one of this.#links) one.hidden = !isOffered;
    write(this.#title, this.#isKept ? this.#words.kept : this.#words.keep);
    this.node.hidden = !this.#isKept && (!isOffered || this.#links.length === 0);
  }

  #windowLink(page: string): HTMLElement {
    const node = link(page, this.#words.keep_window);
    node.addEventListener('click', (event) => {
      if (this.#window?.closed === false) this.#window.focus();
      else this.#window = open(page, '_blank', WINDOW);
      // Where the browser forbids the window, the link opens the page as a tab, which cannot tell anything.
      if (!this.#window) return;
      event.preventDefault();
      this.#listen(new URL(page).origin);
    });
    return node;
  }

  /** Turn this page's switch off each time the window says that it helps. */
  #listen(origin: string): void {
    addEventListener('message', (event) => {
      if (event.source !== this.#window || event.origin !== origin || event.data !== 'passerelle-kept') return;
      this.#isKept = true;
      this.#host.stop();
    });
  }
}

const link = (href: string, text: string): HTMLElement =>
  make('a', { class: 'link', part: 'link', href, target: '_blank', rel: 'noopener' }, text);

/** Return the address of the window's page for a network. It names this page's origin, which alone is told. */
function windowOf(network: string, code: string): string | null {
  try {
    return `${parse(network).url}/keep?lang=${code}#${origin}`;
  } catch {
    return null;
  }
}

/** Return the link to the extension for this browser; null where there is none or it cannot be installed. */
function extensionOf(host: LiveHost): string | null {
  const { userAgentData } = navigator as { userAgentData?: BrowserData };
  const isChromium = userAgentData?.mobile === false && userAgentData.brands.some(({ brand }) => brand === 'Chromium');
  const isFirefox = CSS.supports('-moz-appearance', 'none') && !/Android|Mobile/.test(navigator.userAgent);
  const given = isChromium ? host.getAttribute('chromium') : isFirefox ? host.getAttribute('firefox') : null;
  return given?.startsWith('https://') ? given : null;
}
