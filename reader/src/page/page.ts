/** The reading page: the notice first, then links to volunteers, and a view in which the site is shown.
 *
 * The shell and the single file differ in what they are given: where words and descriptor come from, and the view.
 */

import { Chip, type ChipState } from '../face/chip';
import { element } from '../face/element';
import { notice } from '../face/notice';
import { choose, words as load, type Words } from '../face/words';
import { canRead } from '../links/connection';
import type { LoadLater } from '../later/later';
import type { HashedFile } from '../shell/config';
import { LinkPool } from '../links/pool';
import type { Jar } from '../site/jar';
import { LEFT_OUT_HOSTS, SHOWN_TEXT } from '../limits';
import { ReadingProblem, troubleOf, type Trouble } from '../trouble';
import { Exchange, type SiteRequest, type Ways } from './exchange';
import { Gateway } from './gateway';
import { forget, remember, remembered } from './memory';
import { invited, read } from './network';

/** The site's origins, the main one first. */
export type Site = readonly [string, ...string[]];

export interface PageSettings {
  readonly site: Site;
  readonly invite: string;
  /** Return the words of a language as JSON; rejects where there are none. */
  words(language: string): Promise<string>;
  /** Return the signed descriptor that came with the page. */
  network(): Promise<Uint8Array>;
  /** Return the jar for the cookies of the site's hosts. `forgotten` is called when another tab has everything forgotten. */
  jar(isSite: (host: string) => boolean, forgotten: () => void): Jar;
  readonly later: LoadLater;
  /** The script of links with video; none in the single file. */
  readonly media?: HashedFile | undefined;
  /** Show the site. Called after the reader's yes, and never before. */
  view(work: ReadingWork): Promise<View>;
}

/** What shows the site. */
export interface View {
  readonly element: HTMLElement;
  /** Whether the page that the reader wants is there, or is to be asked for by the reader only. */
  readonly isThere: boolean;
  /** Ask once more for the page that the reader wants, if it did not come, or not all of it. */
  again(isCut: boolean): void;
}

/** What a view works with. */
export interface ReadingWork {
  readonly jar: Jar;
  /** Send a request to the site. */
  ask(request: SiteRequest): Exchange;
  /** A page of the site is there. */
  shown(title: string): void;
  trouble(trouble: Trouble | null): void;
  leftOut(host: string): void;
  /** The reader chose an address outside the site. */
  outside(address: string): void;
  /** Only one page at a time is shown. */
  isArticle(): void;
}

/** Whether the style sheet is missing or was altered. The single file has it in it. */
const isPlain = () => document.querySelector<HTMLLinkElement>('link[rel=stylesheet]')?.sheet === null;

/** Where no volunteer is there after this time, a door or a proof of work may be wanted. */
const ALONE_MS = 1_000;

export class ReadingPage {
  readonly #settings: PageSettings;
  readonly #site: string;
  readonly #chip: Chip;
  #words!: Words;
  #state!: ChipState;
  #jar: Jar | null = null;
  /** Why there is no link, and why a page did not come. A new link does not bring the page. */
  #linkTrouble: Trouble | null = null;
  #siteTrouble: Trouble | null = null;
  /** Whether a file of this page is missing or was altered, which nothing mends but loading it again. */
  #isAltered = false;
  #pool: LinkPool | null = null;
  #view: View | null = null;
  /** The signed descriptor that came with the page. */
  #network!: Promise<Uint8Array>;

  constructor(settings: PageSettings) {
    this.#settings = settings;
    this.#site = new URL(settings.site[0]).hostname;
    this.#chip = new Chip({
      forget: () => {
        this.#jar?.clear();
        this.#leave();
      },
      again: () => {
        if (!this.#pool || this.#isAltered) return location.reload();
        this.#pool.hurry();
        this.#view?.again(this.#siteTrouble === 'cut' || this.#siteTrouble === 'empty');
      },
      language: (language) => void this.#speak(language),
      friend: async () => {
        const { befriend } = await settings.later();
        if (this.#pool) await befriend(this.#pool, () => this.#view?.again(false));
      },
    }, settings.later);
  }

  /** Show the notice, or the site if the reader said so once. */
  async open(): Promise<void> {
    // Fetched while the notice is read. It comes from where the page came from, and nobody else is asked for it.
    this.#network = this.#settings.network();
    this.#network.catch(() => {});
    const language = remembered().language ?? choose(navigator.languages);
    await this.#translate(language);
    const site = this.#site;
    this.#state = {
      words: this.#words, language, site, volunteers: 0, countries: [], door: null, isTrying: true, isShown: false, trouble: null,
      isArticle: false, leftOut: new Set(),
    };
    if (remembered().start) await this.#start();
    else await this.#ask(language);
  }

  /** End everything in this tab. */
  #leave(): void {
    void forget(() => this.#pool?.close());
  }

  async #speak(language: string): Promise<void> {
    remember({ language }, true);
    await this.#translate(language);
    this.#state = { ...this.#state, words: this.#words, language };
    if (this.#chip.element.isConnected) this.#show({});
    else {
      await this.#ask(language);
      document.querySelector<HTMLElement>('.choice')?.focus();
    }
  }

  async #translate(language: string): Promise<void> {
    this.#words = await load(language, this.#settings.words);
    document.documentElement.lang = language;
    document.documentElement.dir = this.#words.dir;
    document.title ||= this.#site;
  }

  /** Why this browser cannot read; null if it can. A door needs no WebRTC. */
  async #unable(): Promise<Trouble | null> {
    const able = canRead();
    if (able === 'yes') return null;
    if (able !== 'no_webrtc') return able;
    try {
      // No broker is asked: nothing leaves this browser before the reader's yes.
      const { doors } = await read(await this.#network, invited(this.#settings.invite), Date.now() / 1000);
      return doors.length > 0 ? null : able;
    } catch {
      return able;
    }
  }

  async #ask(language: string): Promise<void> {
    const page = notice(this.#words, language, this.#site, (await this.#unable()) ?? (isPlain() ? 'altered' : null), {
      start: (isRemembered) => {
        remember({ start: true }, isRemembered);
        void this.#start();
      },
      leave: () => void forget(() => {}),
      again: () => location.reload(),
      language: (chosen) => void this.#speak(chosen),
    });
    document.body.replaceChildren(page);
    document.title = this.#site;
  }

  /** Connect, and show the site. */
  async #start(): Promise<void> {
    // The sign comes first, so that a keyboard reaches it before all links of the site.
    const main = element('main', {}, element('h1', {}, this.#site));
    document.body.replaceChildren(this.#chip.element, main);
    this.#show({});
    try {
      const unable = await this.#unable();
      if (unable) throw new ReadingProblem(unable);
      const gateway = await Gateway.open(invited(this.#settings.invite), this.#settings.later, () => this.#network);
      const ask = (request: SiteRequest) => new Exchange(request, ways);
      const pool: LinkPool = new LinkPool({ ...gateway.settings, ask, later: this.#settings.later }, {
        changed: (volunteers, countries, trouble) => {
          const door = volunteers > 0 ? null : this.#state.door;
          this.#linkTrouble = trouble;
          this.#show({ volunteers, countries, door });
        },
        throughDoor: (door) => {
          this.#linkTrouble = null;
          this.#show({ door });
        },
        worked: (worked) => remember({ worked }),
      });
      this.#pool = pool;
      pool.start();
      setTimeout(() => this.#state.volunteers || this.#prepare(), ALONE_MS);
      addEventListener('online', () => pool.hurry());
      const ways: Ways = {
        link: pool.link.bind(pool),
        ticket: pool.ticket.bind(pool),
        renewTicket: pool.renewTicket.bind(pool),
        key: () => gateway.key(),
        renew: () => gateway.renew(),
      };
      this.#view = await this.#settings.view(this.#work(ask));
      main.append(this.#view.element);
    } catch (error) {
      // Nothing can be shown here, so nobody is to carry anything, and no news of links may hide why.
      this.#pool?.close();
      this.#pool = null;
      this.#linkTrouble = null;
      this.#siteTrouble = troubleOf(error);
      this.#show({ isTrying: false });
    }
  }

  #work(ask: ReadingWork['ask']): ReadingWork {
    const hosts = new Set(this.#settings.site.map((origin) => new URL(origin).hostname));
    const jar = this.#settings.jar((host) => hosts.has(host), () => this.#leave());
    this.#jar = jar;
    return {
      jar,
      ask,
      shown: (title) => {
        document.title = title.slice(0, SHOWN_TEXT) || this.#site;
        this.#show({ isShown: true });
      },
      trouble: (trouble) => {
        this.#isAltered ||= trouble === 'altered';
        this.#siteTrouble = trouble ?? (this.#isAltered ? 'altered' : null);
        // A page that came, came by some way.
        if (trouble === null) this.#linkTrouble = null;
        this.#show({});
        this.#prepare();
      },
      leftOut: (host) => {
        const { leftOut } = this.#state;
        if (leftOut.has(host) || leftOut.size >= LEFT_OUT_HOSTS || host.length > SHOWN_TEXT) return;
        this.#show({ leftOut: new Set([...leftOut, host]) });
      },
      outside: async (address) => {
        const { outside } = await this.#settings.later();
        // One question at a time, however often a page asks.
        if (document.querySelector('dialog')) return;
        const dialog = outside(this.#site, address, () => dialog.remove());
        document.body.append(dialog);
        dialog.showModal();
      },
      isArticle: () => this.#show({ isArticle: true }),
    };
  }

  /** Have the later parts here before they are wanted: the mirror may be blocked by then. One asks again by itself. */
  #prepare(): void {
    this.#settings.later().then((later) => {
      later.bring(this.#pool, this.#settings.media);
      later.again(this.#siteTrouble, this.#view, this.#chip.element);
    }, () => {});
  }

  #show(change: Omit<Partial<ChipState>, 'trouble'>): void {
    this.#state = { ...this.#state, ...change, trouble: this.#linkTrouble ?? this.#siteTrouble };
    this.#chip.show(this.#state);
  }
}
