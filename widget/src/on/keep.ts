/** Offers to go on after this page is left: in a small window of the broker's own, or by the network's extension.
 *
 * The window asks the visitor again, because a press on this page proves nothing there. It takes the limits of this
 * page's switch with it. Once it helps it says so, and the switch of this page turns itself off, so that one visitor is
 * one volunteer.
 */

import { clock, type SwitchSettings } from '../core/switch/settings';
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
  readonly #windowLink: HTMLAnchorElement | null;
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
    this.#windowLink = page ? this.#linkTo(page) : null;
    this.#links = [
      ...(this.#windowLink ? [this.#windowLink] : []),
      ...(extension ? [link(extension, words.keep_extension)] : []),
    ];
    this.node = make('div', { class: 'keep', part: 'keep' }, this.#title, ...this.#links);
  }

  show(phase: Phase): void {
    if (isOn(phase)) this.#isKept = false;
    const isOffered = phase === 'waiting' || phase === 'helping';
    // The window knows no family, and would help strangers.
    for (const one of this.#links) one.hidden = !isOffered || (one === this.#windowLink && this.#host.settings.family !== '');
    write(this.#title, this.#isKept ? this.#words.kept : this.#words.keep);
    this.node.hidden = !this.#isKept && this.#links.every((one) => one.hidden);
  }

  #linkTo(page: string): HTMLAnchorElement {
    const node = link(page, this.#words.keep_window);
    const limited = () => (node.href = `${page}&${limitsOf(this.#host.settings)}`);
    node.addEventListener('pointerdown', limited);
    node.addEventListener('click', (event) => {
      if (this.#window?.closed === false) this.#window.focus();
      else this.#window = open(limited(), '_blank', WINDOW);
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

const link = (href: string, text: string): HTMLAnchorElement =>
  make('a', { class: 'link', part: 'link', href, target: '_blank', rel: 'noopener' }, text);

/** Return the address of the window's page for a network. It names this page's origin, which alone is told. */
function windowOf(network: string, code: string): string | null {
  try {
    return `${parse(network).url}/keep?lang=${code}#${origin}`;
  } catch {
    return null;
  }
}

/** Write down what the window is to keep to. It leaves out what is no limit. */
function limitsOf(settings: SwitchSettings): string {
  const { hours, background } = settings;
  return [
    ...(['people', 'lanes', 'mbit', 'megabytes'] as const).map((name) => `${name}=${settings[name]}`),
    hours ? `hours=${clock(hours.from)}-${clock(hours.to)}` : '',
    background ? '' : 'background=pause',
  ].join('&');
}

/** Return the link to the extension for this browser; null where there is none or it cannot be installed. */
function extensionOf(host: LiveHost): string | null {
  const { userAgentData } = navigator as { userAgentData?: BrowserData };
  const isChromium = userAgentData?.mobile === false && userAgentData.brands.some(({ brand }) => brand === 'Chromium');
  const isFirefox = CSS.supports('-moz-appearance', 'none') && !/Android|Mobile/.test(navigator.userAgent);
  const given = isChromium ? host.getAttribute('chromium') : isFirefox ? host.getAttribute('firefox') : null;
  return given?.startsWith('https://') ? given : null;
}
