/** What whoever made this page wrote into the worker, and the mirror's own files, which it keeps so that the page opens
 * where the mirror is blocked. */

/** Stands in front of the worker's code in the file that is served. */
declare const __PAGE__: {
  /** The site's origins, the main one first. */
  readonly site: readonly [string, ...string[]];
  /** The brokers' origins. */
  readonly brokers: readonly string[];
  /** The mirror's own files and their hashes, by their paths. */
  readonly files: Readonly<Record<string, string>>;
  readonly version: string;
};

export const { site: SITE, brokers: BROKERS } = __PAGE__;

export const FOLDER = '/passerelle.reader/';
/** The document of the shell. */
export const SHELL = `${FOLDER}shell.html`;
/** The cache of this version. Another version's is deleted when this worker takes over. */
export const CACHE = `passerelle ${__PAGE__.version}`;

/** Requests for all of the mirror's own files, none of which may have changed on the way. */
export const ownFiles = (): readonly Request[] =>
  Object.entries(__PAGE__.files).map(
    ([path, integrity]) => new Request(path, { integrity, cache: 'no-cache', credentials: 'omit' }),
  );
