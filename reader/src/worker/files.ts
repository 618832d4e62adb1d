/** What whoever made this page wrote into the worker, and the mirror's own files, which it keeps so that the page opens
 * where the mirror is blocked. */

/** Stands in front of the worker's code in the file that is served. */
declare const __PAGE__: {
  /** The site's origins, the main one first. */
  readonly site: readonly [string, ...string[]];
  /** The brokers' origins. */
  readonly brokers: readonly string[];
  /** The mirror's own files that are kept from the beginning, and their hashes, by their paths. */
  readonly files: Readonly<Record<string, string>>;
  /** The paths of those that are kept once they were wanted. Whoever wants one has its hash. */
  readonly wanted: readonly string[];
  readonly version: string;
};

export const { site: SITE, brokers: BROKERS } = __PAGE__;

/** The document of the shell. */
export const SHELL = '/passerelle.reader/shell.html';
/** The second tier in one file, which the mirror shows to whoever opens it. */
export const SINGLE_FILE = '/reader.html';
/** The cache of this version. Another version's is deleted when this worker takes over. */
export const CACHE = `passerelle ${__PAGE__.version}`;

/** Hashes by their paths; empty where none is known here. */
const HASHES = new Map([...__PAGE__.wanted.map((path): [string, string] => [path, '']), ...Object.entries(__PAGE__.files)]);

/** Keep the files without which the page does not open. Rejects when one cannot be had, or was altered. Where a browser
 * has no room for one, the mirror is asked for it each time. */
export async function keepFiles(): Promise<void> {
  await Promise.all(Object.keys(__PAGE__.files).map(fetched));
}

/** Answer with the mirror's own file at `path`. A kept one is taken first: the mirror may be blocked by now.
 *
 * Scripts of the site can write to the cache, too, so what it holds is compared with its hash. And they can ask for any
 * path, so the mirror is asked for nothing but its files, and told nothing with it.
 */
export async function ownFile(path: string): Promise<Response> {
  const hash = HASHES.get(path);
  if (hash === undefined) return new Response(null, { status: 404 });
  const kept = await caches.match(path);
  return (kept && (await whole(kept, hash))) ?? fetched(path);
}

async function whole(kept: Response, integrity: string): Promise<Response | null> {
  if (!integrity) return kept;
  const bytes = await kept.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-384', bytes));
  if (`sha384-${btoa(String.fromCharCode(...digest))}` !== integrity) return null;
  return new Response(bytes, { headers: { 'content-type': kept.headers.get('content-type') ?? '' } });
}

async function fetched(path: string): Promise<Response> {
  const response = await fetch(path, { integrity: HASHES.get(path)!, cache: 'no-cache', credentials: 'omit' });
  if (!response.ok) throw new TypeError('no file of the mirror');
  const kept = response.clone();
  await caches.open(CACHE).then((cache) => cache.put(path, kept)).catch(() => {});
  return response;
}
