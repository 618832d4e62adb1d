/** What the switch stores on this site: a few values in the site's localStorage, and nothing elsewhere.
 *
 * What this page set holds as long as the page, whatever storage does: it may be denied or full, and the
 * site's own scripts may clear it.
 */

/** Names of the stored values. `consent` and `caution` hold the networks that the visitor agreed to help, one
 * on each line. `choices`, `figures` and `speed` are JSON. `away` is the day on which the floating switch is out of
 * the way. */
const NAMES = ['consent', 'caution', 'choices', 'figures', 'speed', 'language', 'folded', 'away'] as const;

export type StoredName = (typeof NAMES)[number];

/** Networks that one stored value names at most. */
const NETWORKS = 8;
/** The longest value that is read. Eight invites are shorter, and any script of the site may store more. */
const VALUE_CHARS = 8192;

interface OwnValue {
  readonly value: string;
  /** What localStorage held after this page had tried to store `value`. */
  readonly stored: string | null;
}

/** What this page set, by the keys of localStorage. */
const own = new Map<string | null, OwnValue>();

const key = (name: StoredName) => `passerelle-${name}`;

function stored(name: StoredName): string | null {
  try {
    const value = localStorage.getItem(key(name));
    return value && value.length > VALUE_CHARS ? null : value;
  } catch {
    return null;
  }
}

export function get(name: StoredName): string | null {
  const now = stored(name);
  const mine = own.get(key(name));
  // A value other than the one that this page left there is newer, from another tab.
  return mine && (now ?? mine.stored) === mine.stored ? mine.value : now;
}

export function set(name: StoredName, value: string): void {
  try {
    localStorage.setItem(key(name), value);
  } catch {
    // `own` has it.
  }
  own.set(key(name), { value, stored: stored(name) });
}

export function removeAll(): void {
  own.clear();
  for (const name of NAMES) {
    try {
      localStorage.removeItem(key(name));
    } catch {
      // Nothing is stored.
    }
  }
}

/** Another tab changed the storage. If the visitor forgot everything there, this page forgets it too. */
export function heard({ key, newValue }: StorageEvent): void {
  if (newValue === null) own.delete(key);
}

const networks = (name: StoredName) => (get(name) ?? '').split('\n');

/** Return whether the value `name` holds `network`. */
export const holds = (name: StoredName, network: string): boolean => networks(name).includes(network);

/** Add `network` to the value `name`. */
export function add(name: StoredName, network: string): void {
  const others = networks(name).filter((one) => one && one !== network);
  set(name, [...others.slice(1 - NETWORKS), network].join('\n'));
}

/** Return today by the visitor's clock, as YYYY-MM-DD. */
export function today(): string {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
}

/** The functions of this module, as they are given to files that are fetched later. Such a file has its own
 * copy of every module that it imports, so it would not see `own`. */
export interface SiteStorage {
  readonly get: typeof get;
  readonly set: typeof set;
  readonly today: typeof today;
}
