/** Shows each thing that the reader may see, for a look at it and for axe. `tests/rig/face.py` makes a page of it. */

import { Chip, type ChipState } from '../../src/face/chip';
import { befriend } from '../../src/face/friend';
import { notice } from '../../src/face/notice';
import { outside } from '../../src/face/outside';
import type { Words } from '../../src/face/words';
import { later } from '../../src/later/later';
import type { Trouble } from '../../src/trouble';

const SITE = 'www.herald.example';

/** What is shown, beside the words. */
export interface Scene {
  readonly language: string;
  readonly words: Words;
  readonly kind: 'notice' | 'chip' | 'outside' | 'friend';
  /** Why the browser is unable, for a notice. */
  readonly unable?: Trouble;
  /** What is known, for a chip. */
  readonly state?: Partial<Omit<ChipState, 'leftOut'>> & { readonly leftOut?: readonly string[] };
  readonly isOpen?: boolean;
  /** What was pasted in place of a friend's answer. */
  readonly pasted?: string;
}

const nothing = () => {};
const events = { start: nothing, leave: nothing, again: nothing, forget: nothing, language: nothing, friend: nothing };

function show({ language, words, kind, unable, state, isOpen, pasted }: Scene): void {
  document.querySelector('dialog')?.close();
  document.documentElement.lang = language;
  document.documentElement.dir = words.dir;
  document.title = SITE;
  if (kind === 'notice') {
    document.body.replaceChildren(notice(words, language, SITE, unable ?? null, events));
    return;
  }
  const chip = new Chip(events, async () => later);
  const frame = Object.assign(document.createElement('iframe'), { title: SITE });
  const text = words.lead.replaceAll('{site}', SITE);
  frame.srcdoc = `<!doctype html><html lang="${language}" dir="${words.dir}"><title>${SITE}</title><main><h1>${SITE}</h1>${`<p>${text}</p>`.repeat(9)}</main></html>`;
  const main = document.createElement('main');
  main.append(Object.assign(document.createElement('h1'), { textContent: SITE }), frame);
  document.body.replaceChildren(chip.element, main);
  chip.show({
    words, language, site: SITE, volunteers: 2, countries: ['CA', 'JP'], door: null, isTrying: true, isShown: true, trouble: null, isArticle: false,
    ...state,
    leftOut: new Set(state?.leftOut ?? []),
  });
  if (isOpen) chip.element.querySelector<HTMLElement>('.head')!.click();
  if (kind === 'outside') {
    const dialog = outside(SITE, 'https://elsewhere.example/a/long/path?of=somebody', nothing);
    document.body.append(dialog);
    dialog.showModal();
  }
  if (kind === 'friend') void befriend(friendly, nothing);
  if (pasted) {
    document.querySelector<HTMLTextAreaElement>('#friend-answer')!.value = pasted;
    document.querySelector<HTMLElement>('dialog .start')!.click();
  }
}

/** Has a text for a friend, and waits for ever. */
const friendly: Parameters<typeof befriend>[0] = {
  befriend: (carry) => async () => {
    await carry({ bytes: new Uint8Array(1072), open: () => new Promise<never>(nothing) }, 'https://network.example');
    return null;
  },
};

Object.assign(globalThis, { show });
