import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DESCRIPTOR_BYTES } from '../../src/core/limits';
import { decode } from '../../src/core/wire/base64';
import { DescriptorSource } from '../../src/relay/descriptor';
import { vectors } from '../vectors';

const { now_s, operator_key, documents } = vectors<{
  now_s: number;
  operator_key: string;
  documents: { text: string; refused?: string }[];
}>('descriptors');
const good = documents[0]?.text ?? '';
const bad = documents.find(({ refused }) => refused === 'signature')?.text ?? '';
const invite = { url: 'https://broker.example', operator_key: decode(operator_key) ?? new Uint8Array() };

type Answer = () => Promise<Response> | Response;
let answers: Answer[] = [];
const fetched = vi.fn(async (_url: string, _options: RequestInit): Promise<Response> => {
  const answer = answers.shift();
  if (!answer) throw new TypeError('Failed to fetch');
  return await answer();
});
const says = (text: string): Answer => () => new Response(text);

beforeEach(() => {
  answers = [];
  fetched.mockClear();
  vi.stubGlobal('fetch', fetched);
  vi.useFakeTimers({ now: now_s * 1000, toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const setUp = () => new DescriptorSource(invite, new AbortController().signal);

test('the descriptor comes from the invite, without cookies or a referrer', async () => {
  answers = [says(good)];
  const source = setUp();
  expect(source.descriptor).toBeNull();
  expect((await source.describe()).name).toBe('Example');
  const [url, options] = fetched.mock.calls[0] ?? [];
  expect(url).toBe('https://broker.example/v1/network');
  expect(options).toMatchObject({ credentials: 'omit', referrerPolicy: 'no-referrer' });
  expect(source.descriptor?.exits[0]?.id).toBe('exit-1');
});

test('it is asked for again when it is ten minutes old, not before', async () => {
  answers = [says(good), says(good)];
  const source = setUp();
  const first = await source.describe();
  vi.setSystemTime((now_s + 599) * 1000);
  expect(await source.describe()).toBe(first);
  vi.setSystemTime((now_s + 601) * 1000);
  expect(await source.describe()).not.toBe(first);
  expect(fetched).toHaveBeenCalledTimes(2);
});

test('one bad or missing answer does not take away what was verified', async () => {
  answers = [says(good), says(bad)];
  const source = setUp();
  const first = await source.describe();
  vi.setSystemTime((now_s + 700) * 1000);
  expect(await source.describe()).toBe(first);
  expect(await source.describe()).toBe(first);
  expect(fetched).toHaveBeenCalledTimes(3);
});

test('an expired one is of no use', async () => {
  answers = [says(good)];
  const source = setUp();
  await source.describe();
  vi.setSystemTime((now_s + 1001) * 1000);
  await expect(source.describe()).rejects.toMatchObject({ reason: 'network_unreachable' });
});

describe('what cannot be used is a problem', () => {
  test.each<[string, string, boolean, Answer[]]>([
    ['no answer', 'network_unreachable', true, []],
    ['an error', 'network_unreachable', true, [() => new Response('', { status: 503 })]],
    ['no body', 'network_unreachable', true, [() => new Response(null)]],
    ['another key', 'network_signature', false, [says(bad)]],
    ['a page', 'network_format', false, [says('<html>')]],
    ['more than may be', 'network_format', false, [says('x'.repeat(DESCRIPTOR_BYTES + 1))]],
  ])('%s', async (_name, reason, transient, given) => {
    answers = given;
    const source = setUp();
    await expect(source.describe()).rejects.toMatchObject({ reason, transient });
    expect(source.descriptor).toBeNull();
  });

  test('an endless answer is left as soon as it is too long', async () => {
    let pulled = 0;
    let wasCancelled = false;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array((pulled += 1) && 8192)),
      cancel: () => void (wasCancelled = true),
    });
    answers = [() => new Response(body)];
    await expect(setUp().describe()).rejects.toMatchObject({ reason: 'network_format' });
    expect(wasCancelled).toBe(true);
    expect(pulled).toBeLessThan(20);
  });
});
