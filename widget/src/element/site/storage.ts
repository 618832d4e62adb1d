/** What the switch stores on this site: a few values in the site's localStorage, and nothing elsewhere.
 *
 * Where the browser denies storage, the values last as long as the page.
 */

/** Names of the stored values. `consent` and `caution` hold the network that the visitor agreed to help.
 * `choices` and `figures` are JSON. `away` is the day on which the floating switch is out of
 * the way. */
const NAMES = ['consent', 'caution', 'choices', 'figures', 'language', 'folded', 'away'] as const;

export type StoredName = (typeof NAMES)[number];

/** The values, where localStorage is denied. */
const memory = new Map<string, string>();

const key = (name: StoredName) => `passerelle-${name}`;

export function get(name: StoredName): string | null {
  try {
    return localStorage.getItem(key(name));
  } catch {
    return memory.get(name) ?? null;
  }
}

export function set(name: StoredName, value: string): void {
  try {
    localStorage.setItem(key(name), value);
  } catch {
    memory.set(name, value);
  }
}

export function removeAll(): void {
  for (const name of NAMES) {
    try {
      localStorage.removeItem(key(name));
    } catch {
      memory.delete(name);
    }
  }
}

/** Return today by the visitor's clock, as YYYY-MM-DD. */
export function today(): string {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
}

/** The functions of this module, as they are given to files that are fetched later. Such a file has its own
 * copy of every module that it imports, so it would not see `memory`. */
export interface SiteStorage {
  readonly get: typeof get;
  readonly set: typeof set;
  readonly today: typeof today;
}
