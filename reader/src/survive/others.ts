/** The publisher's own worker, which imports this file. It goes on as it did for every page of the site, and hears of nothing
 * that a reader does in the reading page's frame: it might ask the site for that directly. */

type Listener = (event: FetchEvent) => unknown;

/** Its listeners, in their order. */
const listeners: Listener[] = [];

/** From now on, keep the listeners for `fetch` that are added. */
export function holdListeners(): void {
  const add = self.addEventListener.bind(self) as (type: string, listener: unknown, options?: unknown) => void;
  const hold = (listener: unknown) => {
    if (typeof listener === 'function') listeners.push(listener as Listener);
    else if (listener) listeners.push((event) => (listener as { handleEvent: Listener }).handleEvent(event));
  };
  self.addEventListener = ((type: string, listener: unknown, options?: unknown) =>
    type === 'fetch' ? hold(listener) : add(type, listener, options)) as typeof self.addEventListener;
  Object.defineProperty(self, 'onfetch', { set: hold });
}

/** Leave `event` to the publisher's own worker, or to the browser. */
export function pass(event: FetchEvent): void {
  for (const listener of listeners) listener.call(self, event);
}

/** Return what the publisher's own worker answers; nothing where it leaves that to the browser. */
export async function ownAnswer(event: FetchEvent): Promise<Response | undefined> {
  let own: Promise<Response> | Response | undefined;
  event.respondWith = (response) => {
    own ??= response;
  };
  pass(event);
  return own;
}
