/** Whether pages come to their end. Some censors let the beginning of everything pass, and nothing after it: the site's own
 * answer is then there, and stands still. */

import { SURVIVE_WATCHED_BYTES } from '../limits';
import { LeastRate, within } from '../links/leastrate';

/** A page stands still when nothing of it comes for this time, or so much less than would be of use. */
const STILL_MS = 3_000;
/** Longest time that the file is asked for. */
const MUCH_MS = 60_000;

/** Tell whether `response` comes to its end, or so far that no censor cuts there, without standing still before. It is used
 * up by that. */
export async function comes(response: Response): Promise<boolean> {
  const reader = response.body?.getReader();
  if (!reader) return true;
  const rate = new LeastRate(STILL_MS);
  let left = SURVIVE_WATCHED_BYTES;
  try {
    while (left > 0) {
      const since_ms = performance.now();
      const part = await within(rate.left_ms, reader.read());
      if (!part) return false;
      if (part.done) return true;
      rate.came(part.value.length, performance.now() - since_ms);
      left -= part.value.length;
    }
    return true;
  } catch {
    return false;
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/** Tell whether the network carries more than the beginning of what lies at `file`. By this a page that stands still is
 * known from one whose site takes its time. */
export async function carriesMuch(file: URL): Promise<boolean> {
  const signal = AbortSignal.timeout(MUCH_MS);
  try {
    const response = await within(STILL_MS, fetch(file, { cache: 'no-store', credentials: 'omit', redirect: 'manual', signal }));
    return response !== null && (await comes(response));
  } catch {
    return false;
  }
}

/** Tell whether `response` is a page, which a visitor waits for. Files may take as long as they like. */
export const isPage = ({ headers }: Response): boolean => /^text\/html\b/i.test(headers.get('content-type') ?? '');
