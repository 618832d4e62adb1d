import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { writeAnswer } from '../../src/core/wire/friend';
import type { RelayToPage } from '../../src/core/switch/report';
import { FriendRequests } from '../../src/relay/friends';

const SEALED = new Uint8Array([1, 2, 3]);
const posted: RelayToPage[] = [];
let friends: FriendRequests;
let text: string;

beforeEach(async () => {
  text = (await writeAnswer(SEALED)).replace('answer', 'ask');
  vi.useFakeTimers();
  posted.length = 0;
  friends = new FriendRequests((message) => posted.push(message));
});
afterEach(() => vi.useRealTimers());

test('a request goes to the broker and its reply comes back as text', async () => {
  const asked: Uint8Array[] = [];
  await friends.help(4, text, (request) => asked.push(request) > 0);
  expect(asked).toEqual([SEALED]);
  await friends.replied({ type: 'friend_reply', id: 4, reply: btoa('\x01\x02\x03') });
  expect(posted).toEqual([{ type: 'friend_answer', id: 4, text: await writeAnswer(SEALED) }]);
  vi.advanceTimersByTime(1e6);
  expect(posted).toHaveLength(1);
});

test('what is no text is not sent', async () => {
  await friends.help(1, 'hello', () => expect.unreachable());
  expect(posted).toEqual([{ type: 'friend_fault', id: 1, fault: 'text' }]);
});

test('without a broker, with a refusal and with silence the fault is told once', async () => {
  await friends.help(1, text, () => false);
  await friends.help(2, text, () => true);
  await friends.replied({ type: 'friend_reply', id: 2, reply: null });
  await friends.help(3, text, () => true);
  vi.advanceTimersByTime(15_000);
  await friends.replied({ type: 'friend_reply', id: 3, reply: btoa('late') });
  await friends.help(4, text, () => true);
  friends.stop();
  friends.stop();
  expect(posted).toEqual([
    { type: 'friend_fault', id: 1, fault: 'off' },
    { type: 'friend_fault', id: 2, fault: 'refused' },
    { type: 'friend_fault', id: 3, fault: 'timeout' },
    { type: 'friend_fault', id: 4, fault: 'off' },
  ]);
});

test('a reply to nothing is ignored', async () => {
  await friends.replied({ type: 'friend_reply', id: 9, reply: btoa('x') });
  expect(posted).toEqual([]);
});
