import { expect, test } from 'vitest';
import { MEDIA_WINDOW_LEAST_BYTES, MEDIA_WINDOW_MOST_BYTES } from '../../src/limits';
import { ReceiveWindow } from '../../src/media/receivewindow';

interface Line {
  readonly rtt_ms: number;
  /** Bytes per millisecond. */
  readonly rate: number;
  readonly loss?: number;
}

/** Run a sender that keeps the window under way over a line for `seconds`; return the rate of the last second as a share
 * of the line's, and the longest queue in it. */
function run({ rtt_ms, rate, loss = 0 }: Line, seconds: number) {
  const window = new ReceiveWindow(0);
  window.rtt_ms = rtt_ms;
  const arriving: { at_ms: number; sent_ms: number; size: number }[] = [];
  let [underWay, free_ms, received, lost, last, longest_ms, dropped] = [0, 0, 0, 0, 0, 0, 0];
  for (let now_ms = 0; now_ms < seconds * 1_000; now_ms++) {
    while (arriving[0] && arriving[0].at_ms <= now_ms) {
      const { size, sent_ms, at_ms } = arriving.shift()!;
      underWay -= size;
      dropped += size * loss;
      if (dropped >= size) {
        dropped -= size;
        lost += 1;
        continue;
      }
      received += size;
      if (now_ms >= (seconds - 1) * 1_000) {
        last += size;
        longest_ms = Math.max(longest_ms, at_ms - sent_ms - rtt_ms);
      }
      window.told(1_000, sent_ms * 10, 0, at_ms);
    }
    for (const size = 1_100; underWay + size <= window.window_bytes(0, 0); underWay += size) {
      free_ms = Math.max(free_ms, now_ms) + size / rate;
      arriving.push({ at_ms: free_ms + rtt_ms, sent_ms: now_ms, size });
    }
    if (now_ms % 20 === 0) window.report(received, lost, now_ms);
  }
  return { share: last / 1_000 / rate, longest_ms, window };
}

test.each<[Line]>([
  [{ rtt_ms: 100, rate: 2_500 }],
  [{ rtt_ms: 100, rate: 2_500, loss: 0.05 }],
  [{ rtt_ms: 20, rate: 1_000 }],
  [{ rtt_ms: 300, rate: 2_000, loss: 0.01 }],
])('a line is used, and its queue stays short: %o', (line) => {
  const { share, longest_ms } = run(line, 8);
  expect(share).toBeGreaterThan(0.8 * (1 - (line.loss ?? 0)));
  expect(longest_ms).toBeLessThan(120 + 0.5 * line.rtt_ms);
});

test('the window has bounds, whatever a volunteer says', () => {
  const window = new ReceiveWindow(0);
  expect(window.window_bytes(1e9, 1e9)).toBe(MEDIA_WINDOW_MOST_BYTES);
  for (let now_ms = 0; now_ms < 5_000; now_ms += 20) {
    window.told(500, Math.floor(Math.random() * 2 ** 32), 2 ** 26, now_ms);
    window.told(60_000, 0, 2 ** 26, now_ms);
    window.report(now_ms, 2 * now_ms, now_ms);
    const bytes = window.window_bytes(0, 0);
    expect(bytes).toBeGreaterThanOrEqual(MEDIA_WINDOW_LEAST_BYTES);
    expect(bytes).toBeLessThanOrEqual(MEDIA_WINDOW_MOST_BYTES);
  }
});
