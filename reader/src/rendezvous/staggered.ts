/** Several ways to the same, one after the other: the next begins when one has failed or is silent for a while. */

/** Return what the first of `attempts` brings that succeeds, and its number. The others are given up then.
 *
 * Each gets a signal that says so. Rejects with the error of the last when all have failed, and with the reason of
 * `signal`.
 */
export async function staggered<T>(
  attempts: readonly ((signal: AbortSignal) => Promise<T>)[],
  patience_ms: number,
  signal: AbortSignal,
): Promise<readonly [result: T, attempt: number]> {
  const over = new AbortController();
  const running = AbortSignal.any([signal, over.signal]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await new Promise((resolve, reject) => {
      let begun = 0;
      let failed = 0;
      const begin = () => {
        clearTimeout(timer);
        const number = begun;
        const attempt = attempts[number];
        if (attempt === undefined) return;
        begun += 1;
        timer = setTimeout(begin, patience_ms);
        attempt(running).then(
          (result) => resolve([result, number]),
          (error: unknown) => {
            failed += 1;
            if (signal.aborted) reject(signal.reason);
            else if (failed === attempts.length) reject(error);
            else if (failed === begun) begin();
          },
        );
      };
      begin();
    });
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
