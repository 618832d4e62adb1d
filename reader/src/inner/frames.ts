/** New frames of the site's pages: each has a window of its own, with everything in it that was taken from the page's.
 *
 * A frame that a script makes is there at once, and empty; one with an address is given the inner script by the shell.
 * So wherever a script can put elements into a page, frames are looked for before it goes on. The parser's are found by
 * an observer, which runs before the next script does. A frame with a document in its `srcdoc` gets the inner script in
 * front of it.
 */

import { ADDRESSED, ADDRESS_ATTRIBUTES, localise } from './addresses';
import { close } from './closed';
import { shell } from './shell';

type Code = (...given: unknown[]) => unknown;

/** Where scripts take a frame's window, also one that no list of the page's frames names (in a shadow tree). */
const TAKEN: Readonly<Record<string, readonly string[]>> = {
  HTMLIFrameElement: ['contentWindow', 'contentDocument'],
  HTMLFrameElement: ['contentWindow', 'contentDocument'],
};
/** Where scripts put elements into a document. */
const INSERTING: Readonly<Record<string, readonly string[]>> = {
  Node: ['appendChild', 'insertBefore', 'replaceChild'],
  Element: ['append', 'prepend', 'before', 'after', 'replaceWith', 'replaceChildren', 'insertAdjacentElement', 'insertAdjacentHTML', 'setHTMLUnsafe', 'setHTML', 'moveBefore'],
  CharacterData: ['before', 'after', 'replaceWith'],
  Document: ['append', 'prepend', 'replaceChildren', 'write', 'writeln', 'open', 'execCommand'],
  DocumentFragment: ['append', 'prepend', 'replaceChildren'],
  ShadowRoot: ['setHTMLUnsafe', 'setHTML'],
  Range: ['insertNode', 'surroundContents'],
};
const WRITTEN: Readonly<Record<string, readonly string[]>> = {
  Element: ['innerHTML', 'outerHTML'],
  ShadowRoot: ['innerHTML'],
  HTMLElement: ['innerText', 'outerText'],
};

export interface PageEvents {
  /** The page has another title. */
  titled(): void;
}

/** Have the shell watch what leaves `place`, if it can have the code for that. */
const watch = (place: Window | ShadowRoot): void => void shell?.guard(place).catch(() => {});

/** Guard the frames of `window`, and what they hold, and keep the addresses in its pages on the mirror.
 *
 * `script` is the tag of the inner script.
 */
export function guardFrames(window: Window & typeof globalThis, script: string, events?: PageEvents): void {
  const known = new WeakSet<object>();
  const guard = (frame: (Window & typeof globalThis) | null | undefined) => {
    try {
      if (!frame || known.has(frame.document)) return;
      known.add(frame.document);
      close(frame);
      guardFrames(frame, script);
      watch(frame);
    } catch {
      // It is of another origin, and reaches this page's as little as this page reaches it.
    }
  };
  const look = () => {
    for (let index = 0; index < window.length; index++) guard(window[index] as Window & typeof globalThis);
  };
  const wrap = (code: Code): Code =>
    function (this: unknown, ...given) {
      const result = code.apply(this, given);
      look();
      // A document that is opened for writing loses the listeners of its window.
      if (this instanceof window.Document) watch(window);
      return result;
    };
  // A frame that is empty is loaded before the method which made it returns, and so are its handlers called.
  window.addEventListener('load', look, true);
  const of = (name: string) => (window as unknown as Record<string, { prototype: object } | undefined>)[name]?.prototype;
  for (const [name, methods] of Object.entries(INSERTING)) {
    const prototype = of(name) as Record<string, unknown> | undefined;
    for (const method of methods) {
      const code = prototype && Object.getOwnPropertyDescriptor(prototype, method)?.value;
      if (code) Object.defineProperty(prototype, method, { value: wrap(code as Code), writable: true, configurable: true });
    }
  }
  for (const [name, properties] of Object.entries(WRITTEN)) {
    const prototype = of(name);
    for (const property of properties) {
      const found = prototype && Object.getOwnPropertyDescriptor(prototype, property);
      if (found?.set) Object.defineProperty(prototype, property, { ...found, set: wrap(found.set as Code) as (value: unknown) => void });
    }
  }
  for (const [name, properties] of Object.entries(TAKEN)) {
    const prototype = of(name);
    for (const property of properties) {
      const found = prototype && Object.getOwnPropertyDescriptor(prototype, property);
      const get = found?.get as ((this: unknown) => Window | Document | null) | undefined;
      if (!found || !get) continue;
      const taken = function (this: unknown) {
        const held = get.call(this);
        guard((held && 'defaultView' in held ? held.defaultView : held) as (Window & typeof globalThis) | null);
        return held;
      };
      Object.defineProperty(prototype, property, { ...found, get: taken });
    }
  }
  const observer = new window.MutationObserver((records) => {
    for (const { target, addedNodes } of records) {
      for (const node of [target, ...addedNodes]) {
        if (node.nodeType !== Node.ELEMENT_NODE) continue;
        const element = node as Element;
        if (element.localName === 'title') events?.titled();
        localise(element);
        if (node !== target) element.querySelectorAll(ADDRESSED).forEach(localise);
        prefix(element, script);
      }
    }
    look();
  });
  const observe = (root: Document | ShadowRoot) =>
    observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ['srcdoc', ...ADDRESS_ATTRIBUTES] });
  observe(window.document);
  // No event and no observer of the document's tells what is in a shadow tree.
  const { prototype } = window.Element;
  const attach = prototype.attachShadow;
  prototype.attachShadow = function (init) {
    const root = attach.call(this, init);
    observe(root);
    watch(root);
    return root;
  };
  look();
}

/** Put the inner script in front of the documents that frames in `element` hold in an attribute. */
function prefix(element: Element, script: string): void {
  for (const frame of [element, ...element.querySelectorAll('iframe[srcdoc]')]) {
    const held = frame.getAttribute('srcdoc');
    if (held !== null && !held.startsWith(script)) frame.setAttribute('srcdoc', script + held);
  }
}
