import { expect, test } from 'vitest';
import { LOOK_MS, Patience, Pulse } from '../../src/links/pulse';

/** Look after a pulse as a link does until `until_ms`, and return when it was found stalled; null if it never was.
 *
 * A PING sent in a look is answered `rtt_ms` later, where a number is given. `heard` says at which looks something else
 * had come.
 */
function watch(
  pulse: Pulse,
  from_ms: number,
  until_ms: number,
  rtt_ms: number | null,
  heard: (now_ms: number) => boolean = () => false,
): number | null {
  let due: { mark: number; at_ms: number } | null = null;
  for (let now_ms = from_ms; now_ms <= until_ms; now_ms += 10) {
    if (due && now_ms >= due.at_ms) {
      pulse.heard(now_ms);
      pulse.pong(due.mark, now_ms);
      due = null;
    }
    if ((now_ms - from_ms) % LOOK_MS > 0) continue;
    if (heard(now_ms)) pulse.heard(now_ms);
    pulse.look(now_ms);
    if (pulse.isStalled) return now_ms;
    const mark = pulse.ping(now_ms);
    if (mark !== null && rtt_ms !== null) due = { mark, at_ms: now_ms + rtt_ms };
  }
  return null;
}

const pulseAt = (now_ms: number, patience = new Patience()) => new Pulse(patience, now_ms);

test('a link whose PINGs are answered is never stalled, and its round trip is known', () => {
  const pulse = pulseAt(0);
  expect(watch(pulse, 0, 60_000, 100)).toBeNull();
  expect(pulse.rtt_ms).toBeCloseTo(100);
});

test('a link that falls silent is left in less than a second', () => {
  const pulse = pulseAt(0);
  watch(pulse, 0, 5_000, 100);
  const silent_ms = watch(pulse, 5_000 + LOOK_MS, 20_000, null)! - 5_000;
  expect(silent_ms).toBeGreaterThan(400);
  expect(silent_ms).toBeLessThanOrEqual(1_000);
});

test('a link that answers nothing from the start is left in two seconds', () => {
  expect(watch(pulseAt(0), 0, 10_000, null)).toBeLessThanOrEqual(2_000);
});

test('a slow link on which something comes is not stalled', () => {
  expect(watch(pulseAt(0), 0, 30_000, 6_000, () => true)).toBeNull();
});

test('a link that was only slow gives all links more patience', () => {
  const patience = new Patience();
  const slow = pulseAt(0, patience);
  const first_ms = watch(slow, 0, 10_000, null)!;
  slow.heard(first_ms + 1);
  expect(slow.isStalled).toBe(false);
  const second_ms = watch(pulseAt(20_000, patience), 20_000, 40_000, null)! - 20_000;
  expect(second_ms).toBeGreaterThan(1.5 * first_ms);
});

test('patience does not grow for ever', () => {
  const patience = new Patience();
  for (let times = 0; times < 20; times++) patience.grow();
  expect(watch(pulseAt(0, patience), 0, 60_000, null)).toBeLessThan(15_000);
});

test('a page that slept judges nobody in its first look', () => {
  const pulse = pulseAt(0);
  watch(pulse, 0, 1_000, 100);
  pulse.ping(1_100);
  pulse.look(31_000);
  expect(pulse.isStalled).toBe(false);
});

test('a PONG that answers nothing is ignored', () => {
  const pulse = pulseAt(0);
  pulse.pong(0, 5);
  const mark = pulse.ping(10)!;
  pulse.pong(mark + 1, 20);
  expect(pulse.ping(30)).toBeNull();
});
