import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { writeAnswer } from '../../src/core/wire/friend';
import { FriendRequests } from '../../src/relay/friends';
import type { RelayToPage } from '../../src/relay/messages';

const SEALED = new Uint8Array([1, 2, 3]);
const posted: RelayToPage[] = [];
let friends: FriendRequests;
/** What the broker does with a sealed request: it is not there, or takes it. */
let ask: (request: Uint8Array) => boolean;
let text: string;

beforeEach(async () => {
  text = (await writeAnswer(SEALED)).replace('answer', 'ask');
  vi.useFakeTimers();
  posted.length = 0;
  friends = new FriendRequests({
    ask: (_id, request) => ask(request),
    post: (message) => void posted.push(message),
  });
});
afterEach(() => vi.useRealTimers());

test('a request goes to the broker and its reply comes back as text', async () => {
  const asked: Uint8Array[] = [];
  ask = (request) => asked.push(request) > 0;
  await friends.help(4, text);
  expect(asked).toEqual([SEALED]);
  await friends.replied({ type: 'friend_reply', id: 4, reply: btoa('\x01\x02\x03') });
  expect(posted).toEqual([{ type: 'friend_answer', id: 4, text: await writeAnswer(SEALED) }]);
  vi.advanceTimersByTime(1e6);
  expect(posted).toHaveLength(1);
});

test('what is no text is not sent', async () => {
  ask = () => expect.unreachable();
  await friends.help(1, 'hello');
  expect(posted).toEqual([{ type: 'friend_failed', id: 1, reason: 'text' }]);
});

test('without a broker, with a refusal and with silence the reason is told once', async () => {
  ask = () => false;
  await friends.help(1, text);
  ask = () => true;
  await friends.help(2, text);
  await friends.replied({ type: 'friend_reply', id: 2, reply: null });
  await friends.help(3, text);
  vi.advanceTimersByTime(15_000);
  await friends.replied({ type: 'friend_reply', id: 3, reply: btoa('late') });
  await friends.help(4, text);
  friends.stop();
  friends.stop();
  expect(posted).toEqual([
    { type: 'friend_failed', id: 1, reason: 'off' },
    { type: 'friend_failed', id: 2, reason: 'refused' },
    { type: 'friend_failed', id: 3, reason: 'timeout' },
    { type: 'friend_failed', id: 4, reason: 'off' },
  ]);
});

test('a reply to nothing is ignored', async () => {
  await friends.replied({ type: 'friend_reply', id: 9, reply: btoa('x') });
  expect(posted).toEqual([]);
});
