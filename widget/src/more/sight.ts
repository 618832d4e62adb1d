/** Whether the visitor can see a node: inside the window, not covered, not faded, filtered or turned. Browsers that
 * cannot tell (`IntersectionObserver` without `trackVisibility`) are believed to show it. */

/** The shortest time between two looks that browsers allow. */
const LOOK_MS = 100;
/** A node that is not found in the window by then is not seen. */
const UNKNOWN_MS = 1_000;

/** What some browsers have and the DOM's types lack. */
interface ExtendedInit extends IntersectionObserverInit {
  readonly trackVisibility: boolean;
  readonly delay: number;
}

interface ExtendedEntry extends IntersectionObserverEntry {
  readonly isVisible?: boolean;
}

const CAN_TELL = 'isVisible' in (globalThis.IntersectionObserverEntry?.prototype ?? {});

/** Watches one node from now on, so that what covers it may not step aside in the moment of a click. */
export class Sight {
  #observer: IntersectionObserver | null = null;
  /** Whether the node was seen at the last look; null before the first look, and while it is outside the window. */
  #isSeen: boolean | null = null;
  /** Called at the next look that finds the node in the window. */
  #found: () => void = () => {};

  constructor(readonly node: Element) {
    if (!CAN_TELL) {
      this.#isSeen = true;
      return;
    }
    const options: ExtendedInit = { trackVisibility: true, delay: LOOK_MS };
    this.#observer = new IntersectionObserver((entries) => {
      const entry = (entries as ExtendedEntry[]).at(-1);
      this.#isSeen = entry?.isIntersecting ? entry.isVisible === true : null;
      if (this.#isSeen !== null) this.#found();
    }, options);
    this.#observer.observe(node);
  }

  /** Return whether the node is seen. One that is outside the window, where a keyboard or a screen reader reached it, is
   * scrolled into it. */
  async isSeen(): Promise<boolean> {
    if (this.#isSeen !== null) return this.#isSeen;
    this.node.scrollIntoView({ block: 'nearest' });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, UNKNOWN_MS);
      this.#found = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return this.#isSeen ?? false;
  }

  /** Watch no more. */
  end(): void {
    this.#observer?.disconnect();
  }
}

/** Return whether `node` is seen now. */
export async function isSeen(node: Element): Promise<boolean> {
  const sight = new Sight(node);
  const seen = await sight.isSeen();
  sight.end();
  return seen;
}
