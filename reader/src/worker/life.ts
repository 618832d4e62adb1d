/** Who still lives. Worker and shells hold a lock each, and wait for the other's: a browser frees the locks of a tab that
 * was closed or crashed and of a worker that it stopped, and says nothing else about them (Web Locks API §2.3). */

/** Hold a lock for as long as this tab or worker lives; resolves to its name once it is held. */
export function hold(): Promise<string> {
  const name = `passerelle ${crypto.randomUUID()}`;
  return new Promise((resolve) => {
    void navigator.locks.request(name, () => {
      resolve(name);
      return new Promise(() => {});
    });
  });
}

/** Call `gone` when whoever holds the lock `name` has ended, unless `signal` is aborted before. */
export function watch(name: string, signal: AbortSignal, gone: () => void): void {
  navigator.locks.request(name, { mode: 'shared', signal }, gone).catch(() => {});
}
