import { expect, test } from 'vitest';
import { add, NOTHING, read } from '../../../src/core/switch/figures';
import { GARBAGE } from '../../vectors';

const MORE = { people: 1, bytes: 10, seconds: 2 };

test('what is given counts today and for ever, and a new day begins with nothing', () => {
  const first = add(read(null, '2026-11-27'), MORE, '2026-11-27');
  expect(first).toEqual({ day: '2026-11-27', today: MORE, ever: MORE });
  const next = add(first, MORE, '2026-11-28');
  expect(next.today).toEqual(MORE);
  expect(next.ever).toEqual({ people: 2, bytes: 20, seconds: 4 });
});

test('it is read as it was written; yesterday is not today', () => {
  const stored = add(read(null, 'a'), MORE, 'a');
  expect(read(JSON.stringify(stored), 'a')).toEqual(stored);
  expect(read(JSON.stringify(stored), 'b')).toEqual({ day: 'b', today: NOTHING, ever: MORE });
});

test.each([
  ...GARBAGE,
  '5',
  '{"day":"a","today":{"people":-1,"bytes":"9","seconds":null},"ever":[]}',
  '{"day":"a","today":5,"ever":{"people":1e999,"bytes":{"x":1}}}',
])('anything else is nothing (%#)', (text) => {
  expect(read(text, 'a')).toEqual({ day: 'a', today: NOTHING, ever: NOTHING });
});
