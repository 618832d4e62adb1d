/** The widget's other files, which lie beside this one. Each file is fetched when it is first needed, and
 * checked against the hash that the build wrote into this one. */

import { Problem, type Reason } from '../../core/errors';

/** The SHA-256 of each file that this one fetches, in base64. Its first eight hexadecimal digits are in the file's name. The files
 * of words are many, so only the first 96 bits of their hashes are here; nobody can find another text with
 * the same 96 bits. */
declare const __FILES__: Readonly<Record<string, string>>;

/** How many times each file could not be loaded. A browser may keep a module that failed, or a wrong copy,
 * under its URL as long as the page or longer, so each new try has a new URL. */
const failures = new Map<string, number>();

const OPTIONS: RequestInit = { credentials: 'omit', referrerPolicy: 'no-referrer' };

interface HashedFile {
  readonly url: string;
  readonly integrity: string;
}

function hashedFile(name: string, ending: string): HashedFile {
  const hash = __FILES__[name] ?? '';
  const digits = [...atob(hash.slice(0, 8))].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0'));
  const tries = failures.get(name);
  const file = `${name}.${digits.join('').slice(0, 8)}.${ending}${tries ? `?${tries}` : ''}`;
  return { url: new URL(file, import.meta.url).href, integrity: `sha256-${hash}` };
}

/** Return the codes of the languages that have a file of words. */
export const languages = (): string[] =>
  Object.keys(__FILES__)
    .filter((name) => name.startsWith('words-'))
    .map((name) => name.slice(6));

/** Return what `load` makes of a file. Throws Problem, and tells the publisher on the console: `policy` says
 * that the page's policy forbids the file, `script` that it cannot be loaded for any other reason. */
async function attempt<T>(name: string, ending: string, load: (file: HashedFile) => Promise<T>): Promise<T> {
  const file = hashedFile(name, ending);
  let reason = 'script' as Reason;
  const over = new AbortController();
  document.addEventListener(
    'securitypolicyviolation',
    ({ blockedURI }) => {
      if (blockedURI === file.url) reason = 'policy';
    },
    over,
  );
  try {
    return await load(file);
  } catch {
    // A browser may say why only after it has said that it failed.
    await new Promise((resolve) => setTimeout(resolve));
    failures.set(name, (failures.get(name) ?? 0) + 1);
    const what = reason === 'policy' ? "this page's Content-Security-Policy forbids" : 'the switch cannot load';
    console.warn(`passerelle-switch: ${what} ${file.url}`);
    throw new Problem(reason);
  } finally {
    over.abort();
  }
}

/** Fetch a script, and return a URL for a Worker that is to run it; whoever asks revokes it. Throws Problem.
 *
 * A Worker's script must be of the page's own origin. A Blob is, wherever its text came from. */
export const fetchWorker = (name: string, signal: AbortSignal): Promise<string> =>
  attempt(name, 'js', async ({ url, integrity }) => {
    const text = await bytes(await fetch(url, { ...OPTIONS, integrity, signal }));
    return URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  });

/** Fetch the words of a language. Throws Problem. */
export const fetchWords = (code: string): Promise<unknown> => {
  const name = `words-${code}`;
  return attempt(name, 'json', async ({ url }) => {
    const text = await bytes(await fetch(url, OPTIONS));
    // An insecure page has no WebCrypto, so the words are not checked. Such a page cannot help anyway.
    const hash = await globalThis.crypto?.subtle?.digest('SHA-256', text);
    if (hash && !btoa(String.fromCharCode(...new Uint8Array(hash))).startsWith(__FILES__[name] ?? '?')) {
      throw new Error('hash');
    }
    return JSON.parse(new TextDecoder().decode(text)) as unknown;
  });
};

function bytes(response: Response): Promise<ArrayBuffer> {
  if (!response.ok) throw new Error('status');
  return response.arrayBuffer();
}

const modules = new Map<string, Promise<unknown>>();

/** Import a script as a module, once for each name. After a failure it may be tried again. Throws Problem. */
export function importFile<T>(name: string): Promise<T> {
  const known = modules.get(name);
  if (known) return known as Promise<T>;
  const made = attempt(name, 'js', load);
  modules.set(name, made);
  made.catch(() => modules.delete(name));
  return made as Promise<T>;
}

/** `import()` checks no hash, but preloading a module checks it. A page has only one module for each URL, so
 * `import()` then returns the module that was checked. */
async function load({ url, integrity }: HashedFile): Promise<unknown> {
  const add = (tag: string, given: object) => {
    const node = document.createElement(tag);
    return new Promise((resolve, reject) => {
      Object.assign(node, { crossOrigin: 'anonymous', integrity, onload: resolve, onerror: reject }, given);
      document.head.append(node);
    }).finally(() => node.remove());
  };
  const asScript = () => add('script', { type: 'module', src: url });
  // A browser that does not know preloading of modules says neither that it is done nor that it failed. Firefox does
  // not say that the policy forbids a preload, but says it of a script.
  const knows = document.createElement('link').relList.supports('modulepreload');
  await (knows ? add('link', { rel: 'modulepreload', href: url }).catch(asScript) : asScript());
  return import(url);
}
