/** What this page keeps in the browser: the reader's choices, and which way led on. */

const KEY = 'passerelle reader';

interface Memory {
  readonly language?: string;
  /** Whether the notice was agreed to. */
  readonly start?: boolean;
  /** The URL of the broker or door that worked last. */
  readonly worked?: string;
}

/** Return what was kept for this tab, or for this browser; nothing where storage is refused. */
export function remembered(): Memory {
  return { ...read('localStorage'), ...read('sessionStorage') };
}

/** Keep a choice: until the tab is closed, or for good; if that is not said, for as long as the notice's answer is kept. */
export function remember(change: Memory, isForGood = !!read('localStorage').start): void {
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

/** How long the page waits for the browser to remove what it keeps. */
const REMOVAL_MS = 2_000;

/** End everything, remove all of it from the browser, and leave the page. */
export async function forget(end: () => void): Promise<void> {
  end();
  // What was read is gone from the screen at once, and with the site's frame goes what holds its databases open.
  document.body.replaceChildren();
  document.title = '';
  const removal = Promise.allSettled([
    navigator.serviceWorker?.getRegistrations().then((each) => Promise.all(each.map((one) => one.unregister()))),
    globalThis.caches?.keys().then((names) => Promise.all(names.map((name) => caches.delete(name)))),
    globalThis.indexedDB?.databases?.().then((each) => Promise.all(each.map(({ name }) => name && deleted(name)))),
  ]);
  try {
    localStorage.clear();
    sessionStorage.clear();
    for (const cookie of document.cookie.split('; ')) document.cookie = `${cookie.split('=')[0]}=; max-age=0; path=/`;
  } catch {
    // There was nothing.
  }
  await Promise.race([removal, new Promise((resolve) => setTimeout(resolve, REMOVAL_MS))]);
  location.replace('about:blank');
}

function deleted(database: string): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(database);
    request.onsuccess = request.onerror = () => resolve();
  });
}
