import { describe, expect, test } from 'vitest';
import { RateFloor } from '../../../src/core/traffic/ratefloor';

/** A path that is looked at ten times a second, and what the browser makes of it. */
class Road {
  readonly floor = new RateFloor();
  now_ms = 0;
  #sent = 0;
  #lost = 0;
  /** The heights of the floor so far. */
  readonly heights: number[] = [];

  /** Go on for `seconds` with this estimate, where a share of the packets is lost. */
  go(seconds: number, mbit: number, lost: number, rtt_ms: number | null = 100, used = 0.5): void {
    for (let turn = 0; turn < 10 * seconds; turn++) {
      this.now_ms += 100;
      const available_bit_s = Math.max(mbit * 1e6, this.floor.bit_s);
      const packets = (used * available_bit_s) / 8 / 1_150 / 10;
      this.#sent += packets;
      this.#lost += packets * lost;
      const path = { available_bit_s, rtt_ms, bytes: 0, lost: this.#lost };
      if (this.floor.look(path, this.#sent, this.now_ms)) this.heights.push(this.floor.bit_s / 1e6);
    }
  }
}

describe('the floor', () => {
  test('is near what the estimate was before many packets were lost', () => {
    const road = new Road();
    road.go(1, 60, 0.1);
    road.go(5, 1.5, 0.1);
    expect(road.heights).toEqual([48]);
  });

  test.each([
    ['few packets are lost', 0.01, 100],
    ['a queue stands', 0.1, 170],
    ['so many are lost that the rate must be the reason', 0.5, 100],
  ])('stays away where %s', (_words, lost, rtt_ms) => {
    const road = new Road();
    road.go(1, 60, 0);
    road.go(2, 60, lost, rtt_ms);
    road.go(5, 1.5, lost, rtt_ms);
    expect(road.heights).toEqual([]);
  });

  test('rises while it is used and no queue shows, and goes back where it makes losses', () => {
    const road = new Road();
    road.go(1, 30, 0.1);
    road.go(3.5, 1, 0.1, 100, 0.9);
    expect(road.heights.map(Math.round)).toEqual([24, 34]);
    road.go(2, 1, 0.3, 100, 0.9);
    expect(Math.round(road.heights[2] ?? 0)).toBe(24);
    road.go(10, 1, 0.1, 100, 0.9);
    expect(road.heights).toHaveLength(3);
    road.go(60, 1, 0.1, 100, 0.9);
    expect(road.heights.at(-1)).toBe(100);
  });

  test('stays away while too little was sent to tell', () => {
    const road = new Road();
    road.go(0.2, 60, 0);
    road.go(3, 0.1, 0.2);
    expect(road.heights).toEqual([]);
  });

  test('gives way to a queue step by step, and is gone in the end', () => {
    const road = new Road();
    road.go(1, 40, 0.1);
    road.go(2, 1, 0.1);
    road.go(0.5, 1, 0.1, 300);
    road.go(2, 1, 0.1);
    expect(road.heights).toEqual([32]);
    road.go(20, 1, 0.1, 300);
    expect(road.heights).toEqual([32, 16, 8, 4, 2, 0]);
  });

  test('gives way where it makes the losses', () => {
    const road = new Road();
    road.go(1, 40, 0.1);
    road.go(2, 1, 0.1);
    road.go(3, 1, 0.6);
    expect(road.heights[0]).toBe(32);
    expect(road.heights.at(-1)).toBeLessThanOrEqual(16);
  });

  test('is not built on an estimate of long ago', () => {
    const road = new Road();
    road.go(1, 60, 0);
    road.go(20, 6, 0);
    road.go(5, 5.5, 0.1);
    expect(road.heights).toEqual([]);
  });
});
