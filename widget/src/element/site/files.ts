/** The widget's other files, which lie beside its script. Each file is fetched when it is first needed, and
 * checked against the hash that the build wrote into the script. */

import { Problem } from '../../core/errors';

/** The SHA-256 of each file, in base64. Its first eight hexadecimal digits are in the file's name. The files
 * of words are many, so only the first 96 bits of their hashes are here; nobody can find another text with
 * the same 96 bits. */
declare const __FILES__: Readonly<Record<string, string>>;

const OPTIONS: RequestInit = { credentials: 'omit', referrerPolicy: 'no-referrer' };

interface HashedFile {
  readonly url: string;
  readonly integrity: string;
}

function hashedFile(name: string, ending: string): HashedFile {
  const hash = __FILES__[name] ?? '';
  const digits = [...atob(hash.slice(0, 8))].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0'));
  const file = `${name}.${digits.join('').slice(0, 8)}.${ending}`;
  return { url: new URL(file, import.meta.url).href, integrity: `sha256-${hash}` };
}

/** Return the codes of the languages that have a file of words. */
export const languages = (): string[] =>
  Object.keys(__FILES__)
    .filter((name) => name.startsWith('words-'))
    .map((name) => name.slice(6));

/** Fetch a script as bytes. Throws Problem. */
export async function fetchFile(name: string, signal: AbortSignal): Promise<ArrayBuffer> {
  const { url, integrity } = hashedFile(name, 'js');
  try {
    const response = await fetch(url, { ...OPTIONS, integrity, signal });
    if (!response.ok) throw new Problem('script');
    return await response.arrayBuffer();
  } catch {
    throw new Problem('script');
  }
}

/** Fetch the words of a language. Throws an Error of any kind. */
export async function fetchWords(code: string): Promise<unknown> {
  const name = `words-${code}`;
  const response = await fetch(hashedFile(name, 'json').url, OPTIONS);
  const text = await response.arrayBuffer();
  // An insecure page has no WebCrypto, so the words are not checked. Such a page cannot help anyway.
  const hash = await globalThis.crypto?.subtle?.digest('SHA-256', text);
  if (hash && !btoa(String.fromCharCode(...new Uint8Array(hash))).startsWith(__FILES__[name] ?? '?')) {
    throw new Problem('script');
  }
  return JSON.parse(new TextDecoder().decode(text));
}

const modules = new Map<string, Promise<unknown>>();

/** Import a script as a module, once for each name. After a failure it may be tried again. Throws Problem. */
export function importFile<T>(name: string): Promise<T> {
  const known = modules.get(name);
  if (known) return known as Promise<T>;
  const made = load(name);
  modules.set(name, made);
  made.catch(() => modules.delete(name));
  return made as Promise<T>;
}

/** `import()` checks no hash, but preloading a module checks it. A page has only one module for each URL, so
 * `import()` then returns the module that was checked. */
async function load(name: string): Promise<unknown> {
  const { url, integrity } = hashedFile(name, 'js');
  const link = document.createElement('link');
  Object.assign(link, { rel: 'modulepreload', crossOrigin: 'anonymous', integrity, href: url });
  try {
    await new Promise((resolve, reject) => {
      link.onload = resolve;
      link.onerror = reject;
      document.head.append(link);
    });
    return await import(url);
  } catch {
    throw new Problem('script');
  } finally {
    link.remove();
  }
}
