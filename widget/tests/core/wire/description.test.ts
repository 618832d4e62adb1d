import { expect, test } from 'vitest';
import { canonical, read, write } from '../../../src/core/wire/description';
import { vectors } from '../../vectors';

test('what travels is read back the same', () => {
  for (const { text, sdp } of vectors<{ text: string; sdp: string | null }[]>('descriptions')) {
    if (sdp === null) continue;
    const found = read(JSON.parse(text));
    expect(read(JSON.parse(JSON.stringify(write(found))))).toEqual(found);
  }
});

test('addresses are canonical or refused', () => {
  expect(canonical('2001:DB8::0:1')).toBe('2001:db8::1');
  expect(canonical('10.0.0.1')).toBe('10.0.0.1');
  for (const text of ['', '1', '10.0.0.1:5', 'fe80::1%a', '::ffff:1.2.3.4', 'a.local', '[::1]']) {
    expect(canonical(text)).toBeNull();
  }
});
