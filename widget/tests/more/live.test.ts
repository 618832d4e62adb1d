import { expect, test } from 'vitest';
import { countryName } from '../../src/more/live';

test('countries have names; what is none stays what it is', () => {
  expect(countryName('fr', 'DE')).toBe('Allemagne');
  expect(countryName('en', 'ZZZZ')).toBe('ZZZZ');
  expect(countryName('en', null)).toBe(null);
});
