import { expect, test } from 'vitest';
import { BLOCK, Voice } from '../../../src/core/traffic/voice';

test('a voice speaks and is silent by turns', () => {
  const voice = new Voice(Math.random, 0.5);
  const blocks = Array.from({ length: 6_000 }, () => voice.nextBlock());
  expect(new Set(blocks.map(({ length }) => length))).toEqual(new Set([BLOCK]));
  const peaks = blocks.map((block) => block.reduce((most, each) => Math.max(most, Math.abs(each)), 0));
  const quiet = peaks.filter((peak) => peak <= 0.004).length / peaks.length;
  expect(quiet).toBeGreaterThan(0.2);
  expect(quiet).toBeLessThan(0.85);
  expect(Math.max(...peaks)).toBeGreaterThan(0.05);
  expect(Math.max(...peaks)).toBeLessThan(1);
});

test('a silent room is no sound again and again', () => {
  const voice = new Voice(Math.random, 0.1);
  const blocks = Array.from({ length: 600 }, () => voice.nextBlock());
  expect(new Set(blocks.filter((_, at) => at % 6 === 0).map((block) => block[100])).size).toBeGreaterThan(4);
});
