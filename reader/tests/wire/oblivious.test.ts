import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../widget/src/core/errors';
import { vectors } from '../../../widget/tests/vectors';
import { SEALED_CHUNK_BYTES } from '../../src/limits';
import { type Bytes, integer, join } from '../../src/wire/integers';
import { AnswerOpener, answerKeys, readConfiguration, sealRequest } from '../../src/wire/oblivious';
import { bytes, Chance, hex } from '../chance';
import { pair } from './keys';

interface Vectors {
  rfc9458: Record<string, string>;
  configuration: string;
  refused_configurations: string[];
  key_id: number;
  gateway: string;
  ephemeral: string;
  plaintext: string;
  request: string;
  enc: string;
  secret: string;
  answers: { chunks: string[]; message: string }[];
}

const given = vectors<Vectors>('oblivious');
const configuration = readConfiguration(bytes(given.configuration));
const opener = () => new AnswerOpener(bytes(given.secret), bytes(given.enc));

async function open(message: Uint8Array, most = message.length): Promise<string[]> {
  const answer = opener();
  const chance = new Chance(most);
  const found: Bytes[] = [];
  for (const piece of chance.cut(message, most)) found.push(...(await answer.receive(piece)));
  return [...found, await answer.end()].map(hex);
}

test('the keys of an answer are derived as in RFC 9458', async () => {
  const rfc = given.rfc9458;
  const enc = bytes(rfc['sealed_request'] ?? '').slice(7, 39);
  const keys = await answerKeys(bytes(rfc['secret'] ?? ''), enc, bytes(rfc['nonce'] ?? ''));
  expect(keys.map(hex)).toEqual([rfc['answer_key'], rfc['answer_nonce']]);
});

test('a configuration is read as Python wrote it', () => {
  expect(configuration.keyId).toBe(given.key_id);
  for (const other of given.refused_configurations) {
    expect(() => readConfiguration(bytes(other))).toThrow(PeerError);
  }
});

test('a request is sealed as Python seals it', async () => {
  const sealed = await sealRequest(configuration, bytes(given.plaintext), await pair(given.ephemeral));
  expect(hex(sealed.message)).toBe(given.request);
  const { chunks, message } = given.answers[2] ?? { chunks: [], message: '' };
  const answer = sealed.answer();
  const found = [...(await answer.receive(bytes(message))), await answer.end()];
  expect(found.map(hex)).toEqual(chunks);
});

test('no two requests are alike', async () => {
  const sealed = await Promise.all([0, 1].map(() => sealRequest(configuration, bytes(given.plaintext))));
  expect(new Set(sealed.map(({ message }) => hex(message))).size).toBe(2);
});

describe('answers are opened as Python sealed them', () => {
  test.each(given.answers)('%#', async ({ chunks, message }) => {
    for (const most of [1, 7, 1000]) expect(await open(bytes(message), most)).toEqual(chunks);
  });

  test('pieces may be handed in without waiting', async () => {
    const { chunks, message } = given.answers[2] ?? { chunks: [], message: '' };
    const answer = opener();
    const pieces = [...new Chance(3).cut(bytes(message), 40)].map((piece) => answer.receive(piece));
    const found = [...(await Promise.all(pieces)).flat(), await answer.end()];
    expect(found.map(hex)).toEqual(chunks);
  });
});

test('an answer that was altered or cut off is never shown as whole', async () => {
  const chance = new Chance(2);
  const { message } = given.answers[2] ?? { message: '' };
  for (let n = 0; n < 300; n++) {
    const spoiled = n % 3 ? chance.spoil(bytes(message)) : bytes(message).slice(0, chance.below(message.length / 2));
    await expect(open(spoiled, 50)).rejects.toThrow(PeerError);
  }
});

test('nothing is opened behind an altered chunk', async () => {
  const { message } = given.answers[2] ?? { message: '' };
  const spoiled = bytes(message);
  // The nonce and the length of the first chunk are in front of it.
  spoiled[20]! ^= 1;
  const answer = opener();
  const pieces = await Promise.allSettled([...new Chance(4).cut(spoiled, 40)].map((piece) => answer.receive(piece)));
  const opened = pieces.flatMap((piece) => (piece.status === 'fulfilled' ? piece.value : []));
  expect(opened).toEqual([]);
  await expect(answer.end()).rejects.toThrow(PeerError);
});

test('a long chunk is refused before it has come', async () => {
  for (const endless of [integer(SEALED_CHUNK_BYTES + 1), Uint8Array.of(0)]) {
    const answer = opener();
    const filling = (async () => {
      await answer.receive(join([new Uint8Array(16), endless]));
      for (let n = 0; n < 40; n++) await answer.receive(new Uint8Array(1000));
    })();
    await expect(filling).rejects.toMatchObject({ code: 'limit' });
  }
});
