/** The way in where no server is reached: two texts, which the reader and a friend outside send to each other. */

import { kindIn, readAnswer, writeAsk } from '../../../widget/src/core/wire/friend';
import { sentence, type Sentence } from '../later/sentences';
import { FRIEND_TEXT_MS } from '../limits';
import type { LinkPool } from '../links/pool';
import type { Carry } from '../rendezvous/broker';
import { button, element } from './element';

/** Return the button that offers this way. */
export const friendButton = (press: () => void): HTMLElement => button(sentence('friend', {}), 'friend', press);

/** What waits for an answer. It goes on when the reader closes it, because the text may be on its way. */
let waiting: Dialogue | null = null;

/** Ask the reader to have a text taken to a friend and the answer brought, until a link has opened. Then `read` is called,
 * because pages may have been given up by now. Never rejects. */
export async function befriend(pool: Pick<LinkPool, 'befriend'>, read: () => void): Promise<void> {
  if (waiting) return waiting.show();
  const dialogue = (waiting = new Dialogue());
  dialogue.show();
  const ask = pool.befriend(dialogue.carry);
  let isOpen = false;
  do {
    dialogue.isOver = false;
    isOpen = await ask().then((trouble) => trouble === null, () => false);
    // Without a text that is over, what went wrong is nothing that people can do again.
  } while (!isOpen && dialogue.isOver);
  waiting = null;
  dialogue.close();
  if (isOpen) read();
}

class Dialogue {
  /** Whether a text is of no use any more, because it was answered or is too old. */
  isOver = false;
  #page = '';
  readonly #sentences = new Map<HTMLElement, Sentence>();
  readonly #status = element('p', { role: 'status' });
  readonly #ask = field('friend-ask');
  readonly #answer = field('friend-answer');
  readonly #copy = this.#says(button('', 'copy', () => void this.#copied()), 'friend_copy');
  readonly #connect = this.#says(button('', 'start', () => this.#take(this.#answer.value)), 'friend_connect');
  readonly #dialog: HTMLDialogElement;
  /** What became of the last text, which is said with the next one. */
  #news: Sentence | null = null;
  /** Takes what was pasted; null once the text is too old. */
  #take: (text: string | null) => void = () => {};

  constructor() {
    this.#ask.readOnly = true;
    this.#dialog = element('dialog', { class: 'friend', 'aria-labelledby': 'friend' },
      this.#says(element('h2', { id: 'friend' }), 'friend'),
      this.#says(element('p'), 'friend_how'),
      this.#says(element('p', { class: 'small' }), 'friend_sees'),
      element('p', {}, this.#says(element('label', { for: 'friend-ask' }), 'friend_ask'), this.#ask),
      element('p', { class: 'buttons' }, this.#copy),
      element('p', {}, this.#says(element('label', { for: 'friend-answer' }), 'friend_answer'), this.#answer),
      this.#status,
      element('p', { class: 'buttons' }, this.#connect, this.#says(button('', 'leave', () => this.close()), 'back')));
    this.#dialog.onclose = () => {
      if (!this.#dialog.open) this.#dialog.remove();
    };
    // All that is pasted here is meant as the answer.
    this.#dialog.onpaste = (event) => {
      if (event.target !== this.#answer) this.#answer.value = event.clipboardData?.getData('text') ?? '';
    };
    this.#rest();
  }

  /** Show it in the page's language, unless another question is open. */
  show(): void {
    if (document.querySelector('dialog')) return;
    this.#translate();
    document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  close(): void {
    this.#dialog.close();
  }

  /** Have the reader take a request to a friend, who opens a page of the broker's, and return the reply in the answer that
   * is pasted. Rejects when the text is too old. */
  readonly carry: Carry = async (sealed, url) => {
    this.#page = `${url}/friend`;
    this.#translate();
    // What stands before the text does not count, and the friend has to know where to go.
    this.#ask.value = `${this.#page}\n\n${await writeAsk(sealed.bytes)}`;
    this.#copy.disabled = this.#connect.disabled = false;
    this.#say(this.#news);
    let isOld = false;
    const timer = setTimeout(() => {
      isOld = true;
      this.#take(null);
    }, FRIEND_TEXT_MS);
    while (!isOld) {
      const text = await new Promise<string | null>((resolve) => {
        this.#take = resolve;
      });
      if (text === null) break;
      const bytes = await readAnswer(text);
      // An answer that cannot be opened belongs to another text; the right one may still come.
      const reply = bytes && (await sealed.open(bytes).catch(() => null));
      if (reply) {
        clearTimeout(timer);
        this.#end('friend_failed');
        return reply;
      }
      this.#say(bytes ? 'friend_other' : WRONG[kindIn(text) ?? 'none']);
      // The next one that is pasted takes its place.
      this.#answer.select();
    }
    this.#end('friend_old');
    throw new Error('a text became too old');
  };

  /** The text is over; `news` is what is said if another one is needed. */
  #end(news: Sentence): void {
    this.isOver = true;
    this.#news = news;
    this.#rest();
  }

  /** Wait for the next text. */
  #rest(): void {
    this.#copy.disabled = this.#connect.disabled = true;
    this.#ask.value = this.#answer.value = '';
    this.#say('friend_wait');
  }

  async #copied(): Promise<void> {
    this.#ask.select();
    try {
      await navigator.clipboard.writeText(this.#ask.value);
      this.#say('friend_copied');
    } catch {
      this.#say('friend_by_hand');
    }
  }

  #say(name: Sentence | null): void {
    this.#sentences.delete(this.#status);
    this.#status.textContent = '';
    if (name) this.#says(this.#status, name);
  }

  /** Have `place` say a sentence, in the page's language of that moment. */
  #says<Place extends HTMLElement>(place: Place, name: Sentence): Place {
    this.#sentences.set(place, name);
    place.textContent = sentence(name, { page: this.#page });
    return place;
  }

  #translate(): void {
    for (const [place, name] of this.#sentences) this.#says(place, name);
  }
}

/** What is said of a pasted text without a whole answer, by which text begins in it. */
const WRONG = { answer: 'friend_cut', ask: 'friend_own', none: 'friend_none' } as const;

const field = (id: string) =>
  element('textarea', { id, rows: '5', dir: 'ltr', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off' });
