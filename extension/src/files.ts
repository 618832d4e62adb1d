/** Stands for the widget's `element/files` in this extension, whose files are all in its package: nothing is fetched
 * from a network, and the browser vouches for the package, so no hash is checked. */

/** The codes of the languages that have a file of words, English aside. */
declare const __LANGUAGES__: readonly string[];

export const languages = (): string[] => [...__LANGUAGES__];

/** Return the URL of a Worker's script. */
export const fetchWorker = (name: string, _signal: AbortSignal): Promise<string> =>
  Promise.resolve(new URL(`${name}.js`, import.meta.url).href);

/** Read the words of a language. Rejects where there are none. */
export const fetchWords = async (code: string): Promise<unknown> =>
  (await fetch(new URL(`words/${code}.json`, import.meta.url))).json();

/** Import a part of the widget that a page would fetch later. There is no globe in the extension. */
export async function importFile<T>(name: string): Promise<T> {
  if (name === 'map') throw new Error('no map');
  if (name === 'engine') return (await import('../../widget/src/element/work/engine')) as T;
  return (await (name === 'on' ? import('../../widget/src/on/on') : import('../../widget/src/more/more'))) as T;
}
