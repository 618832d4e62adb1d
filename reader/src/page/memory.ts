/** What this page keeps in the browser: the reader's choices, and nothing else. */

const KEY = 'passerelle reader';

interface Memory {
  readonly language?: string;
  /** Whether the notice was agreed to. */
  readonly start?: boolean;
}

/** Return what was kept for this tab, or for this browser; nothing where storage is refused. */
export function remembered(): Memory {
  return { ...read('localStorage'), ...read('sessionStorage') };
}

/** Keep a choice: until the tab is closed, or for good. */
export function remember(change: Memory, isForGood: boolean): void {
  const where = isForGood ? 'localStorage' : 'sessionStorage';
  try {
    globalThis[where].setItem(KEY, JSON.stringify({ ...read(where), ...change }));
  } catch {
    // The choice holds until the page is loaded again.
  }
}

function read(where: 'localStorage' | 'sessionStorage'): Memory {
  try {
    return JSON.parse(globalThis[where].getItem(KEY) ?? '{}') as Memory;
  } catch {
    return {};
  }
}

/** End everything, remove all of it from the browser, and leave the page. */
export async function forget(end: () => void): Promise<void> {
  end();
  await Promise.allSettled([
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
  location.replace('about:blank');
}
