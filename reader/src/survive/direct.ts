/** The direct way to the site, and for how long a visitor waits for it. */

import { LATE_ANSWER_MS, LATE_ANSWERS } from '../limits';
import { isGenuine, prepare } from './genuine';
import { carriesMuch, comes, isPage } from './whole';

/** A site that says nothing for this time is taken for blocked. Slow ones answer sooner, and those that do not are shown
 * as soon as they do. */
const SILENT_MS = 3_000;
/** The same after such a silence: the direct try and the reading page then go side by side. */
const BESIDE_MS = 500;
const CACHE = 'passerelle survive';
const TROUBLE = '/passerelle.reader/trouble';

/** Answers that came after the visitor's patience had ended, by their addresses. */
const late = new Map<string, Response>();

/** The site cannot be reached, or somebody else answered. */
export type Blocked = 'blocked';
/** What was wrong at the last visit: nothing came, or the beginning of a page and no more. */
type Trouble = 'silent' | 'still';

/** A visit to a page of the site. */
export interface Visit {
  readonly url: string;
  /** Where the worker's file lies. */
  readonly file: URL;
  /** Asks the site. */
  ask(): Promise<Response>;
  /** Keeps the worker alive. */
  extend(work: Promise<unknown>): void;
  /** The answer came after all. Returns whether a page wants it; for a while the address is then answered with it. */
  reached(): Promise<boolean>;
  /** Returns where the answer is shown, unless the visitor has left. */
  page(): Promise<WindowClient | undefined>;
}

/** Return the site's genuine answer, as soon as it comes; 'blocked' when none does, or nothing for a while. Where a page stood
 * still at the last visit, the whole of it has to come. */
export async function direct(visit: Visit): Promise<Response | Blocked> {
  const { url, extend } = visit;
  const kept = late.get(url);
  late.delete(url);
  if (kept) return shown(kept, visit);
  const before = trouble();
  const answer = genuine(visit, before);
  const first = await Promise.race([answer, before.then(patience)]);
  if (first !== 'silent') {
    if (first === 'blocked') return first;
    if (await before) extend(remember(null));
    // A page that was waited for is whole.
    return (await before) === 'still' ? first : shown(first, visit);
  }
  extend(before.then((was) => remember(was === 'still' ? was : 'silent')));
  extend(
    answer.then(async (found) => {
      if (found === 'blocked') return;
      await remember(null);
      if (!(await visit.reached()) || late.size >= LATE_ANSWERS) return;
      late.set(url, found);
      setTimeout(() => late.delete(url), LATE_ANSWER_MS);
    }),
  );
  return 'blocked';
}

async function genuine({ file, ask }: Visit, before: Promise<Trouble | null>): Promise<Response | Blocked> {
  const prepared = prepare(file);
  // It is read later, or never.
  prepared.catch(() => {});
  try {
    const response = await ask();
    if (!(await isGenuine(response, prepared, file))) return 'blocked';
    if ((await before) !== 'still' || !isPage(response) || (await comes(response.clone()))) return response;
    void response.body?.cancel();
    return 'blocked';
  } catch {
    return 'blocked';
  }
}

/** Return `response`, and look on while it is shown. */
function shown(response: Response, visit: Visit): Response {
  if (isPage(response)) visit.extend(watch(response.clone(), visit));
  return response;
}

/** Have the address opened anew where the page stands still, and not because its site takes its time: then it is answered with
 * a whole page, or with the reading page. */
async function watch(copy: Response, { url, file, page }: Visit): Promise<void> {
  if ((await comes(copy)) || !(await page()) || (await carriesMuch(file))) return;
  await remember('still');
  await (await page())?.navigate(url);
}

const patience = (before: Trouble | null): Promise<'silent'> =>
  new Promise((resolve) => setTimeout(() => resolve('silent'), before ? BESIDE_MS : SILENT_MS));

const trouble = async (): Promise<Trouble | null> => (await (await caches.match(TROUBLE))?.text()) as Trouble | undefined ?? null;

async function remember(what: Trouble | null): Promise<void> {
  if (what) await (await caches.open(CACHE)).put(TROUBLE, new Response(what));
  else await caches.delete(CACHE);
}
