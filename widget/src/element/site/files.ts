/** The widget's other files, which lie beside its script; each is fetched only when it is needed,
 * and checked against the hash that the build wrote here. */

import { Problem } from '../../core/errors';

/** SHA-256 of each file, as base64; its first eight hexadecimal digits are in the file's name. Of
 * words, which are many, the first 96 bits: nobody finds another text with these. */
declare const __PARTS__: Readonly<Record<string, string>>;

const OPTIONS: RequestInit = { credentials: 'omit', referrerPolicy: 'no-referrer' };

interface Part {
  readonly url: string;
  readonly integrity: string;
}

function part(name: string, ending: string): Part {
  const hash = __PARTS__[name] ?? '';
  const digits = [...atob(hash.slice(0, 8))].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0'));
  const file = `${name}.${digits.join('').slice(0, 8)}.${ending}`;
  return { url: new URL(file, import.meta.url).href, integrity: `sha256-${hash}` };
}

/** Names of the languages there is a file for. */
export const languages = (): string[] =>
  Object.keys(__PARTS__)
    .filter((name) => name.startsWith('words-'))
    .map((name) => name.slice(6));

/** Fetch a file whole. Throws Problem. */
export async function fetchFile(name: string, signal: AbortSignal): Promise<ArrayBuffer> {
  const { url, integrity } = part(name, 'js');
  try {
    const response = await fetch(url, { ...OPTIONS, integrity, signal });
    if (!response.ok) throw new Problem('script');
    return await response.arrayBuffer();
  } catch {
    throw new Problem('script');
  }
}

/** Fetch a language's words. Throws. */
export async function fetchWords(code: string): Promise<unknown> {
  const name = `words-${code}`;
  const response = await fetch(part(name, 'json').url, OPTIONS);
  const text = await response.arrayBuffer();
  // Pages that are not secure have no hashes; nothing can be turned on there.
  const hash = await globalThis.crypto?.subtle?.digest('SHA-256', text);
  if (hash && !btoa(String.fromCharCode(...new Uint8Array(hash))).startsWith(__PARTS__[name] ?? '?')) {
    throw new Problem('script');
  }
  return JSON.parse(new TextDecoder().decode(text));
}

const modules = new Map<string, Promise<unknown>>();

/** Run a file as a module, once; what failed may be tried again. Throws Problem. */
export function importFile<T>(name: string): Promise<T> {
  const known = modules.get(name);
  if (known) return known as Promise<T>;
  const made = load(name);
  modules.set(name, made);
  made.catch(() => modules.delete(name));
  return made as Promise<T>;
}

/** `import()` checks no hash. A preloaded module's is checked, and a page has one module a URL:
 * what is imported afterwards is what was checked. */
async function load(name: string): Promise<unknown> {
  const { url, integrity } = part(name, 'js');
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
