import { expect, test } from 'vitest';
import { PeerError } from '../../../widget/src/core/errors';
import { vectors } from '../../../widget/tests/vectors';
import { readReply } from '../../src/rendezvous/request';
import { bytes, Chance, hex } from '../chance';

interface Vectors {
  readonly read: readonly (readonly [message: string, said: Record<string, unknown>])[];
  readonly refused: readonly string[];
}

const { read, refused } = vectors<Vectors>('rendezvous_replies');

test.each(read)('a broker’s reply is read as Python means it', (message, said) => {
  const reply = readReply(bytes(message));
  const answers = reply.answers.map((answer) =>
    typeof answer === 'string' ? answer : [answer.description.ufrag, hex(answer.volunteer), answer.country]);
  expect({ ...reply, answers }).toEqual(said);
});

test.each(refused)('a reply that makes no sense is refused: %#', (message) => {
  expect(() => readReply(bytes(message))).toThrow(PeerError);
});

test('whatever a broker seals, nothing else is thrown', () => {
  const chance = new Chance(5);
  for (let tries = 0; tries < 500; tries++) {
    try {
      readReply(chance.spoil(bytes(read[0]![0])));
    } catch (error) {
      expect(error).toBeInstanceOf(PeerError);
    }
  }
});
