/** What this page keeps in the browser: the reader's choices, and nothing else. */

const KEY = 'passerelle reader';

interface Memory {
  readonly language?: string;
  /** Whether the notice was agreed to for good. */
  readonly start?: boolean;
}

/** Return what was kept; nothing where storage is refused. */
export function remembered(): Memory {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Memory;
  } catch {
    return {};
  }
}

export function remember(change: Memory): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...remembered(), ...change }));
  } catch {
    // The choice holds for this visit only.
  }
}

/** End everything, remove all of it from the browser, and leave the page. */
export async function forget(end: () => void): Promise<void> {
  end();
  const all = await Promise.allSettled([
    navigator.serviceWorker?.getRegistrations().then((each) => Promise.all(each.map((one) => one.unregister()))),
    globalThis.caches?.keys().then((names) => Promise.all(names.map((name) => caches.delete(name)))),
    indexedDB?.databases?.().then((each) => each.forEach(({ name }) => name && indexedDB.deleteDatabase(name))),
  ]);
  try {
    localStorage.clear();
    sessionStorage.clear();
  } catch {
    // There was nothing.
  }
  void all;
  location.replace('about:blank');
}
