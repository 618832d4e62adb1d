/** Shows what is seen only from the first press on: the questions, the way out of a frame, and what is seen while the
 * switch is on. That last part is fetched when it is on. */

import { isOn, type Snapshot } from '../core/switch/store';
import { importFile } from '../element/files/files';
import { make } from '../element/view/dom';
import type { Language } from '../element/view/language';
import type { LiveContent, LiveHost, LiveNodes, QuestionEvents } from '../element/view/switchview';
import { countryName, fill } from '../element/view/text';
import { Question } from './question';

type OnFile = typeof import('../on/on');

export class LiveView implements LiveContent {
  /** Opens this page outside the frame that shows it. */
  readonly #alone: HTMLAnchorElement;
  readonly #language: Language;
  readonly #question: Question;
  readonly #nodes: LiveNodes;
  readonly #host: LiveHost;
  #snapshot: Snapshot | null = null;
  #on: InstanceType<OnFile['OnView']> | null = null;
  #isLoading = false;

  constructor(nodes: LiveNodes, language: Language, host: LiveHost) {
    this.#language = language;
    this.#nodes = nodes;
    this.#host = host;
    const link = { class: 'link', part: 'link', href: location.href, target: '_blank', rel: 'noopener' };
    this.#alone = make('a', link, language.words.open_alone);
    nodes.status.after(this.#alone);
    this.#question = new Question(language);
  }

  show(snapshot: Snapshot): void {
    const { phase, reason } = snapshot;
    this.#snapshot = snapshot;
    const isBarred = reason === 'framed' || reason === 'covered';
    this.#alone.hidden = !isBarred || self === top || !location.protocol.startsWith('http');
    if (phase !== 'consent' && phase !== 'caution') this.#question.rest();
    this.#on?.show(snapshot);
    if (!this.#on && !this.#isLoading && isOn(phase)) void this.#load();
  }

  rest(): void {
    this.#question.rest();
    this.#on?.rest();
  }

  question({ phase, country }: Snapshot, events: QuestionEvents): Node[] {
    if (phase === 'consent') return this.#question.consent(events);
    const { code, words } = this.#language;
    const name = countryName(code, country);
    const text = name ? fill(words.danger_how, { country: name }) : words.danger_how_unknown;
    return this.#question.caution(text, events);
  }

  async #load(): Promise<void> {
    this.#isLoading = true;
    try {
      const { OnView, english } = await importFile<OnFile>('on');
      if (this.#language.code === 'en') Object.assign(this.#language.words, english);
      this.#on = new OnView(this.#nodes, this.#language, this.#host);
      if (this.#snapshot) this.#on.show(this.#snapshot);
    } catch {
      // The status says what matters, and the next change tries again.
    } finally {
      this.#isLoading = false;
    }
  }
}
