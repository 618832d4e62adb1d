import { describe, expect, test } from 'vitest';
import { CallShape, normal } from '../../../src/core/traffic/callshape';
import { vectors } from '../../vectors';

interface Frame {
  allowed: number;
  waiting: number;
  key: boolean;
  chance: number;
  size: number;
}

describe('the frames of a call', () => {
  test('have the lengths that Python gives them', () => {
    const shape = new CallShape();
    for (const { allowed, waiting, key, chance, size } of vectors<{ frames: Frame[] }>('call').frames) {
      expect(shape.nextFrame(allowed, waiting, key, chance)).toBe(size);
    }
  });

  test('differ by numbers that are spread normally', () => {
    // Numbers that look random and are the same each time (Park and Miller, 1988).
    let state = 1;
    const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const numbers = Array.from({ length: 4_000 }, () => normal(random));
    const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
    const variance = numbers.reduce((sum, each) => sum + (each - mean) ** 2, 0) / numbers.length;
    expect(Math.abs(mean)).toBeLessThan(0.1);
    expect(variance).toBeGreaterThan(0.9);
    expect(variance).toBeLessThan(1.1);
    expect(normal(() => 0)).toBeCloseTo(0);
  });
});
