/** What this page keeps in the browser: the reader's choices, and which way led on. */

const KEY = 'passerelle reader';

/** What TypeScript's types of pages leave out. */
interface Folder extends FileSystemDirectoryHandle {
  keys(): AsyncIterable<string>;
}

/** An entry of the File and Directory Entries API as Chromium has it. */
interface OldEntry extends FileSystemEntry {
  remove(done: () => void, failed: (error: unknown) => void): void;
  removeRecursively(done: () => void, failed: (error: unknown) => void): void;
}
const PERSISTENT = 1;

declare global {
  var webkitRequestFileSystem:
    | ((type: number, bytes: number, take: (files: FileSystem) => void, failed: (error: unknown) => void) => void)
    | undefined;
  interface Navigator {
    /** Storage of the site's scripts beside the usual one (Storage Buckets API; Chromium has it). */
    readonly storageBuckets?: { keys(): Promise<readonly string[]>; delete(name: string): Promise<void> };
  }
}

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
    emptied(),
    globalThis.webkitRequestFileSystem && emptiedOld(),
    navigator.storageBuckets?.keys().then((names) => Promise.all(names.map((name) => navigator.storageBuckets!.delete(name)))),
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

/** Remove the files that the site's scripts made. */
async function emptied(): Promise<void> {
  const files = (await navigator.storage.getDirectory()) as Folder;
  for await (const name of files.keys()) await files.removeEntry(name, { recursive: true });
}

/** Remove the files that scripts made by Chromium's older way. Its temporary ones are those above. */
function emptiedOld(): Promise<void> {
  return new Promise((resolve, reject) => {
    globalThis.webkitRequestFileSystem!(PERSISTENT, 0, ({ root }) => {
      const reader = root.createReader();
      const next = () => reader.readEntries((entries) => {
        if (entries.length === 0) return resolve();
        let left = entries.length;
        const removed = () => --left || next();
        for (const entry of entries as OldEntry[]) entry[entry.isDirectory ? 'removeRecursively' : 'remove'](removed, reject);
      }, reject);
      next();
    }, reject);
  });
}

function deleted(database: string): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(database);
    request.onsuccess = request.onerror = () => resolve();
  });
}
