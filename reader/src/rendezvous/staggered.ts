/** Several ways to the same, one after the other: the next begins when one has failed or is silent for a while, as
 * connections to a host with several addresses do (RFC 8305 §5). */

/** Return what the first of `attempts` brings that succeeds, and its number. The others are given up then.
 *
 * `patience_ms` returns how long the attempt with a number may be silent. Each gets a signal that says so when it is given
 * up. Rejects with the error of the last when all have failed, and with the reason of `signal`.
 */
export async function staggered<T>(
  attempts: readonly ((signal: AbortSignal) => Promise<T>)[],
  patience_ms: (number: number) => number,
  signal: AbortSignal,
): Promise<readonly [result: T, attempt: number]> {
  const over = new AbortController();
  const running = AbortSignal.any([signal, over.signal]);
  let turn: Promise<unknown> = Promise.resolve();
  const all = attempts.map((attempt, number) => {
    const begun = turn;
    const found = begun.then(async () => {
      running.throwIfAborted();
      const result = await attempt(running);
      over.abort();
      return [result, number] as const;
    });
    turn = Promise.race([
      found.catch(() => {}),
      begun.then(() => new Promise((resolve) => setTimeout(resolve, patience_ms(number)))),
    ]);
    return found;
  });
  try {
    return await Promise.any(all);
  } catch (error) {
    signal.throwIfAborted();
    throw (error as AggregateError).errors.at(-1);
  }
}
