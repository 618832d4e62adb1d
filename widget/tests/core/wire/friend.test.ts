import { describe, expect, test } from 'vitest';
import { TEXT_SEALED_BYTES } from '../../../src/core/limits';
import { decode } from '../../../src/core/wire/base64';
import { kindIn, readAnswer, readAsk, writeAnswer, writeAsk } from '../../../src/core/wire/friend';
import { vectors } from '../../vectors';

const given = vectors<{ text: string; sealed: string | null; answer: string | null }[]>('friends');

describe('texts of friends', () => {
  test('are read as Python reads them', async () => {
    for (const { text, sealed } of given) {
      expect(await readAsk(text), text).toEqual(sealed === null ? null : decode(sealed));
    }
    expect(given.filter(({ sealed }) => sealed === null).length).toBeGreaterThan(5);
  });

  test('are answered as Python writes answers', async () => {
    for (const { sealed, answer } of given) {
      if (sealed === null) continue;
      const bytes = decode(sealed) as Uint8Array<ArrayBuffer>;
      expect(await writeAnswer(bytes)).toBe(answer);
    }
  });

  test('are written and read by a reader as by a friend', async () => {
    const sealed = new Uint8Array([1, 2, 3, 250]);
    expect(await readAsk(`https://a.example/friend\n\n${await writeAsk(sealed)}`)).toEqual(sealed);
    const answer = await writeAnswer(sealed);
    expect(await readAnswer(`Here:\n> ${answer}`)).toEqual(sealed);
    for (const text of [await writeAsk(sealed), answer.slice(0, -1), `${answer.slice(0, -4)}aaa.`]) {
      expect(await readAnswer(text), text).toBeNull();
      expect(kindIn(text)).toBe(text.includes('answer') ? 'answer' : 'ask');
    }
    expect(kindIn(`${await writeAsk(sealed)}\n${answer}`)).toBe('answer');
    expect(kindIn('I do not know.')).toBeNull();
  });

  test('have a limit', async () => {
    const large = await writeAnswer(new Uint8Array(TEXT_SEALED_BYTES + 1));
    expect(await readAsk(large.replace('answer', 'ask'))).toBeNull();
    const most = await writeAnswer(new Uint8Array(TEXT_SEALED_BYTES));
    expect(await readAsk(most.replace('answer', 'ask'))).toHaveLength(TEXT_SEALED_BYTES);
    expect(await readAsk(`passerelle-ask1:${'a'.repeat(1e6)}.`)).toBeNull();
  });
});
