/** Telling what comes slowly from what only drips, so that it neither fails nor is silent. */

import { KIB } from '../../../widget/src/core/limits';

/** What comes at less than this is no use: a phone's network of the second generation has several times as much. */
export const LEAST_RATE_BYTES_S = KIB;

/** For how long nothing may come. It runs down while something is waited for, and is wound up by what comes. */
export class LeastRate {
  readonly #pause_ms: number;
  #left_ms: number;

  /** A pause of `pause_ms` is allowed. */
  constructor(pause_ms: number) {
    this.#left_ms = this.#pause_ms = pause_ms;
  }

  get left_ms(): number {
    return this.#left_ms;
  }

  /** So many bytes came after `waited_ms`. */
  came(bytes: number, waited_ms: number): void {
    const left_ms = Math.max(0, this.#left_ms - waited_ms);
    this.#left_ms = Math.min(this.#pause_ms, left_ms + (bytes * 1000) / LEAST_RATE_BYTES_S);
  }

  /** Allow the whole pause again. */
  rewind(): void {
    this.#left_ms = this.#pause_ms;
  }
}

/** Return what `work` brings in this time; null if it brings nothing. */
export async function within<T>(most_ms: number, work: Promise<T>): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    if (most_ms < Infinity) timer = setTimeout(() => resolve(null), most_ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
