import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../widget/src/core/errors';
import { vectors } from '../../../widget/tests/vectors';
import { MESSAGE_FIELDS_BYTES } from '../../src/limits';
import { AnswerDecoder, encodeRequest, type Event, type Fields, pad } from '../../src/wire/binaryhttp';
import { integer, join } from '../../src/wire/integers';
import { bytes, Chance, hex } from '../chance';

interface Vectors {
  answers: {
    message: string;
    refused?: string;
    read?: { status: number; fields: Fields; content: string; trailers: Fields };
  }[];
  written: {
    request: { method: string; scheme: string; authority: string; path: string; fields: Fields; content: string };
    message: string;
  }[];
  padded: [number, number][];
}

const given = vectors<Vectors>('binary_http');
const ascii = (text: string) => new TextEncoder().encode(text);
const line = (name: string, value: string) =>
  join([integer(name.length), ascii(name), integer(value.length), ascii(value)]);

function read(message: Uint8Array, pieces: Iterable<Uint8Array> = [message]): object {
  const decoder = new AnswerDecoder();
  const events: Event[] = [];
  for (const piece of pieces) events.push(...decoder.receive(piece));
  events.push(...decoder.end());
  const data = events.flatMap((event) => (event.kind === 'content' ? [event.data] : []));
  const [head, end] = events.filter((event) => event.kind !== 'content');
  if (head?.kind !== 'head' || end?.kind !== 'end') throw new Error('no head, or no end');
  return { status: head.status, fields: head.fields, content: hex(join(data)), trailers: end.trailers };
}

describe('answers are read as Python reads them', () => {
  test.each(given.answers)('%#', ({ message, refused, read: expected }) => {
    const whole = bytes(message);
    for (const most of [1, 5, 1000]) {
      const reading = () => read(whole, new Chance(most).cut(whole, most));
      if (refused) expect(reading).toThrow(expect.objectContaining({ code: refused }));
      else expect(reading()).toEqual(expected);
    }
  });
});

test('requests are written as Python writes them', () => {
  for (const { request, message } of given.written) {
    expect(hex(encodeRequest({ ...request, content: bytes(request.content) }))).toBe(message);
  }
});

test('requests are padded to few sizes', () => {
  for (const [size, padded] of given.padded) expect(pad(new Uint8Array(size)).length).toBe(padded);
});

test('a field that has no bytes in HTTP is not written', () => {
  const request = { method: 'GET', scheme: 'https', authority: 'a', path: '/', content: new Uint8Array() };
  expect(() => encodeRequest({ ...request, fields: [['a', '✓']] })).toThrow(RangeError);
});

test('garbage and spoiled answers are read or refused', () => {
  const chance = new Chance(4);
  const sound = given.answers.filter(({ refused }) => !refused).map(({ message }) => bytes(message));
  for (let n = 0; n < 3000; n++) {
    const message = n % 2 ? chance.bytes(60) : chance.spoil(sound[n % sound.length] ?? new Uint8Array(1));
    try {
      read(message, chance.cut(message, 9));
    } catch (error) {
      expect(error).toBeInstanceOf(PeerError);
    }
  }
});

test('fields that never end are refused', () => {
  const head = Uint8Array.of(3, 0x40, 0xc8);
  for (const endless of [line('a', ''), line('a', 'b'.repeat(9000)), integer(20_000)]) {
    const decoder = new AnswerDecoder();
    decoder.receive(head);
    const filling = () => {
      for (let n = 0; n < MESSAGE_FIELDS_BYTES; n++) decoder.receive(endless);
    };
    expect(filling).toThrow(expect.objectContaining({ code: 'limit' }));
  }
});
