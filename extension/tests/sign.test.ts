import { expect, test } from 'vitest';
import { PHASES } from '../../widget/src/core/switch/store';

// The module looks for the browser's interface as soon as it is loaded.
Object.assign(globalThis, { chrome: {} });
const { signOf } = await import('../src/sign');

test.each(PHASES)('%s has a sign', (phase) => {
  const on = ['connecting', 'caution', 'waiting', 'helping', 'paused', 'retrying'].includes(phase);
  expect(signOf(phase, 0)).toBe(on ? 'waiting' : 'off');
  expect(signOf(phase, 2)).toBe(on ? 'helping' : 'off');
});
