/** What is kept on this site, in its localStorage, and nowhere else.
 *
 * Storage may be denied; then it lasts as long as the page, which is all that is lost.
 */

const memory = new Map<string, string>();

/** `consent` and `caution` hold the network said yes to; `choices`, `figures` JSON; `look` words. */
export type StoredName = 'consent' | 'caution' | 'choices' | 'figures' | 'language' | 'folded';

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
  for (const name of ['consent', 'caution', 'choices', 'figures', 'language', 'folded'] as const) {
    try {
      localStorage.removeItem(key(name));
    } catch {
      memory.delete(name);
    }
  }
}

/** Today by the visitor's clock, as YYYY-MM-DD. */
export function today(): string {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
}

/** For parts of the widget that are fetched later, which have no memory in common with this. */
export interface SiteStorage {
  readonly get: typeof get;
  readonly set: typeof set;
  readonly today: typeof today;
}
