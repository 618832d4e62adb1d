import { expect, test } from 'vitest';
import { clean, visible } from '../../../src/core/wire/pasted';

test('what chats and mails put around a text goes, what is in it stays', () => {
  expect(clean(' \u200e“https://a.example/#k_-”. ')).toBe('https://a.example/#k_-');
  expect(clean("[('x')],")).toBe('x');
  expect(clean('a b')).toBe('a b');
  expect(visible('a\u200b\u2066b\ufeff c')).toBe('ab c');
  expect(visible('a\u034f\u3164\ufe0f\u{e0100}b')).toBe('ab');
});
