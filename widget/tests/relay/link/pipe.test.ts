import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BUFFERED_BYTES, LINK_MESSAGE_BYTES, LOW_WATER_BYTES } from '../../../src/core/limits';
import { Link } from '../../../src/relay/link/link';
import { joinChannel, joinSocket } from '../../../src/relay/link/pipe';
import { RateLimiter } from '../../../src/relay/link/ratelimiter';
import { FakeChannel, FakeSocket } from '../platform';

function setUp() {
  const [socket, channel] = [new FakeSocket('ws://exit'), new FakeChannel()];
  const over: string[] = [];
  const stuck: string[] = [];
  const link = new Link(new RateLimiter(), {
    changed() {},
    carried() {},
    heard() {},
    over: (code) => over.push(code),
  });
  const join = () => {
    joinSocket(link, socket as unknown as WebSocket, () => stuck.push(socket.url));
    joinChannel(link, channel as unknown as RTCDataChannel);
  };
  return { link, socket, channel, over, stuck, join };
}

const message = () => new ArrayBuffer(LINK_MESSAGE_BYTES);

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('a socket and a channel are joined, whenever they open', () => {
  const { link, socket, channel, join } = setUp();
  channel.readyState = 'open';
  join();
  expect([socket.binaryType, channel.binaryType]).toEqual(['arraybuffer', 'arraybuffer']);
  const [up, down] = [message(), message()];
  channel.receive(up);
  socket.open();
  socket.receive(down);
  expect(link.isOpen).toBe(true);
  expect(socket.sent).toEqual([up]);
  expect(channel.sent).toEqual([down]);
});

test('a channel that was closed before it came ends the link', () => {
  const { socket, channel, over, join } = setUp();
  channel.readyState = 'closed';
  join();
  expect(socket.closed).toBe(4000);
  socket.lose();
  expect(over).toEqual(['normal']);
});

test('the far side is told why by its close code', () => {
  const { link, socket, channel, join } = setUp();
  join();
  link.close('limit');
  expect([socket.closed, channel.isClosed]).toEqual([4007, true]);
});

test('a full channel goes on when it says that it is low', () => {
  const { socket, channel, join } = setUp();
  join();
  socket.open();
  channel.open();
  expect(channel.bufferedAmountLowThreshold).toBe(LOW_WATER_BYTES);
  channel.bufferedAmount = BUFFERED_BYTES / 2;
  for (let index = 0; index < 3; index++) socket.receive(message());
  expect(channel.sent).toHaveLength(1);
  channel.bufferedAmount = LOW_WATER_BYTES;
  expect(vi.getTimerCount()).toBe(0);
  channel.onbufferedamountlow?.();
  expect(channel.sent).toHaveLength(3);
});

test('a full socket is looked at only while something waits for it', () => {
  const { link, socket, channel, join } = setUp();
  join();
  socket.open();
  channel.open();
  socket.bufferedAmount = BUFFERED_BYTES / 2;
  channel.receive(message());
  expect(vi.getTimerCount()).toBe(0);
  channel.receive(message());
  channel.receive(message());
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(500);
  expect(socket.sent).toHaveLength(1);
  socket.bufferedAmount = LOW_WATER_BYTES;
  vi.advanceTimersByTime(10);
  expect(socket.sent).toHaveLength(3);
  expect(vi.getTimerCount()).toBe(0);
  expect(link.isOpen).toBe(true);
});

test('a full socket that is lost is looked at no more', () => {
  const { socket, channel, over, join } = setUp();
  join();
  socket.open();
  channel.open();
  socket.bufferedAmount = BUFFERED_BYTES / 2;
  channel.receive(message());
  channel.receive(message());
  socket.lose();
  channel.lose();
  vi.advanceTimersByTime(20);
  expect(over).toEqual(['normal']);
  expect(vi.getTimerCount()).toBe(0);
});

test('an exit that does not let its socket end is told, once it has got everything', () => {
  const { link, socket, stuck, join } = setUp();
  join();
  socket.open();
  socket.bufferedAmount = 5;
  link.close('normal');
  link.close('normal');
  vi.advanceTimersByTime(60_000);
  expect(stuck).toEqual([]);
  socket.bufferedAmount = 0;
  vi.advanceTimersByTime(60_000);
  expect(stuck).toEqual(['ws://exit']);
});

test('an exit that lets its socket end is not told', () => {
  const { link, socket, stuck, join } = setUp();
  join();
  socket.open();
  link.close('limit');
  vi.advanceTimersByTime(9_000);
  socket.lose();
  vi.advanceTimersByTime(60_000);
  expect(stuck).toEqual([]);
});
