/** The direct way to the site, and for how long a visitor waits for it. */

import { LATE_ANSWER_MS, LATE_ANSWERS } from '../limits';
import { isGenuine, prepare } from './genuine';

/** A site that says nothing for this time is taken for blocked. Slow ones answer sooner, and those that do not are shown
 * as soon as they do. */
const SILENT_MS = 3_000;
/** The same after such a silence: the direct try and the reading page then go side by side. */
const BESIDE_MS = 500;
const CACHE = 'passerelle survive';
const SILENCE = '/passerelle.reader/silence';

/** Answers that came after the visitor's patience had ended, by their addresses. */
const late = new Map<string, Response>();

/** The site cannot be reached, or somebody else answered. */
export type Blocked = 'blocked';

/** Return the site's genuine answer, as soon as `ask` brings it; 'blocked' when it brings none, or says nothing for a while.
 *
 * `file` is where the worker's file lies. `reached` is called when the answer comes after all, and says whether a page
 * wants it; for a while the address in `url` is then answered with it. `extend` keeps the worker alive.
 */
export async function direct(
  url: string, file: URL, ask: () => Promise<Response>, extend: (work: Promise<unknown>) => void, reached: () => Promise<boolean>,
): Promise<Response | Blocked> {
  const kept = late.get(url);
  late.delete(url);
  if (kept) return kept;
  const answer = genuine(file, ask);
  const wasSilent = isSilent();
  const first = await Promise.race([answer, wasSilent.then(patience)]);
  if (first !== 'silent') {
    if (first !== 'blocked' && (await wasSilent)) extend(remember(false));
    return first;
  }
  extend(remember(true));
  extend(
    answer.then(async (found) => {
      if (found === 'blocked') return;
      await remember(false);
      if (!(await reached()) || late.size >= LATE_ANSWERS) return;
      late.set(url, found);
      setTimeout(() => late.delete(url), LATE_ANSWER_MS);
    }),
  );
  return 'blocked';
}

async function genuine(file: URL, ask: () => Promise<Response>): Promise<Response | Blocked> {
  const prepared = prepare(file);
  // It is read later, or never.
  prepared.catch(() => {});
  try {
    const response = await ask();
    return (await isGenuine(response, prepared, file)) ? response : 'blocked';
  } catch {
    return 'blocked';
  }
}

const patience = (wasSilent: boolean): Promise<'silent'> =>
  new Promise((resolve) => setTimeout(() => resolve('silent'), wasSilent ? BESIDE_MS : SILENT_MS));

const isSilent = async (): Promise<boolean> => (await caches.match(SILENCE)) !== undefined;

async function remember(isSilence: boolean): Promise<void> {
  if (isSilence) await (await caches.open(CACHE)).put(SILENCE, new Response());
  else await caches.delete(CACHE);
}
