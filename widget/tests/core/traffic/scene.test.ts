import { describe, expect, test } from 'vitest';
import { lateness_ms, lookOf, Scene, type Look } from '../../../src/core/traffic/scene';
import { vectors } from '../../vectors';

interface Chosen extends Look {
  chances: number[];
  large: boolean;
}

const LOOK: Look = { width: 64, height: 36, frames_per_s: 30, noise: 20, motion: 20, talk: 0.5, late_s: 0.003, bound_bit_s: 0 };
const SIZE = 64 * 36;

/** Numbers that look random and are the same each time (Park and Miller, 1988). */
function chances() {
  let state = 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

test('a call looks as Python has it look', () => {
  for (const { chances: given, large, ...look } of vectors<{ looks: Chosen[] }>('call').looks) {
    const left = [...given];
    expect(lookOf(() => left.shift() ?? NaN, large)).toEqual(look);
    expect(left).toEqual([]);
  }
});

describe('a scene', () => {
  const pictures = (look: Look, count: number) => {
    const scene = new Scene(look, chances());
    return Array.from({ length: count }, () => scene.nextPicture().slice());
  };

  test('moves in each picture, with or without noise', () => {
    for (const noise of [0, 20]) {
      const made = pictures({ ...LOOK, noise }, 90);
      expect(new Set(made.map(({ length }) => length))).toEqual(new Set([SIZE * 1.5]));
      expect(new Set(made.map((each) => each.join())).size).toBeGreaterThan(60);
      for (const each of made) expect(Math.max(...each)).toBeLessThan(256 - 4);
      for (const each of made) expect(new Set(each.subarray(SIZE))).toEqual(new Set([128]));
    }
  });

  test('has as much noise as its light is bad', () => {
    const differences = [0, 10, 30].map((noise) => {
      const [one, other] = pictures({ ...LOOK, noise, motion: 0 }, 2);
      return (one as Uint8Array).reduce((sum, each, at) => sum + Math.abs(each - (other as Uint8Array)[at]!), 0) / SIZE;
    }) as [number, number, number];
    expect(differences[0]).toBeLessThan(1);
    expect(differences[1]).toBeGreaterThan(2);
    expect(differences[2]).toBeGreaterThan(2 * differences[1]);
  });
});

test('most pictures are a little late, and few are much', () => {
  const chance = chances();
  const found = Array.from({ length: 4_000 }, () => lateness_ms(LOOK, chance)).sort((one, other) => one - other);
  expect(found[0]).toBeGreaterThanOrEqual(0);
  expect(found[2_000]).toBeGreaterThan(1.5);
  expect(found[2_000]).toBeLessThan(3);
  expect(found[3_996]).toBeGreaterThan(18);
});
