import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { INITIAL, type Snapshot } from '../../../src/core/switch/store';
import { Tabs } from '../../../src/element/site/tabs';

const ON: Snapshot = { ...INITIAL.snapshot, phase: 'helping', people: 1 };

/** The Web Locks of one site: each name is held once, and passes on in line. */
class Locks {
  readonly #lines = new Map<string, Promise<unknown>>();

  request(name: string, { signal }: { signal: AbortSignal }, held: () => unknown): Promise<unknown> {
    const before = this.#lines.get(name) ?? Promise.resolve();
    let isHeld = false;
    const turn = before.then(() => {
      if (signal.aborted) return undefined;
      isHeld = true;
      return held();
    });
    this.#lines.set(name, turn.catch(() => {}));
    return new Promise((resolve, reject) => {
      turn.then(resolve, reject);
      signal.addEventListener('abort', () => {
        if (!isHeld) reject(new DOMException('', 'AbortError'));
      });
    });
  }
}

function tab(name = 'network') {
  const events: string[] = [];
  const shown: Snapshot[] = [];
  const tabs = new Tabs(name, {
    lead: () => events.push('lead'),
    halted: () => events.push('halted'),
    visible: () => events.push('visible'),
    mirror: (snapshot) => shown.push(snapshot),
  });
  tabs.open();
  made.push(tabs);
  return { tabs, events, shown };
}

const made: Tabs[] = [];
const NOTHING = { lead() {}, mirror() {}, halted() {}, visible() {} };
/** Node delivers a BroadcastChannel's messages some turns later. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

beforeEach(() => vi.stubGlobal('document', { hidden: false }));
afterEach(() => {
  for (const tabs of made.splice(0)) tabs.close();
  vi.unstubAllGlobals();
});

describe.each(['with locks', 'without locks', 'with locks that are refused'])('%s', (how) => {
  beforeEach(() => {
    const refuse = () => Promise.reject(new DOMException('', 'SecurityError'));
    const locks = { 'with locks': new Locks(), 'without locks': undefined }[how] ?? { request: refuse };
    vi.stubGlobal('navigator', how === 'without locks' ? {} : { locks });
  });

  test('one tab leads, and another that asks is shown what it does', async () => {
    const one = tab();
    one.tabs.claim();
    await vi.waitFor(() => expect(one.events).toEqual(['lead']));
    one.tabs.tell(ON);
    const other = tab();
    await vi.waitFor(() => expect(other.shown).toEqual([{ ...ON, elsewhere: true }]));
    other.tabs.claim();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(other.events).toEqual([]);
  });

  test('one click stops all', async () => {
    const one = tab();
    const other = tab();
    one.tabs.claim();
    await vi.waitFor(() => expect(one.events).toEqual(['lead']));
    other.tabs.halt();
    await vi.waitFor(() => expect(one.events).toEqual(['lead', 'halted']));
  });

  test('networks have nothing to do with each other', async () => {
    const one = tab('one');
    const other = tab('other');
    one.tabs.claim();
    other.tabs.claim();
    await vi.waitFor(() => expect([one.events, other.events]).toEqual([['lead'], ['lead']]));
    one.tabs.halt();
    await settle();
    expect(other.events).toEqual(['lead']);
  });
});

test('a tab in line takes over when the first one goes without a word', async () => {
  vi.stubGlobal('navigator', { locks: new Locks() });
  const one = tab();
  const other = tab();
  one.tabs.claim();
  await vi.waitFor(() => expect(one.events).toEqual(['lead']));
  other.tabs.claim();
  await settle();
  expect(other.events).toEqual([]);
  one.tabs.close();
  await vi.waitFor(() => expect(other.events).toEqual(['lead']));
});

test('a tab that may not lead lets the next one in line lead', async () => {
  vi.stubGlobal('navigator', { locks: new Locks() });
  const tabs: Tabs = new Tabs('network', { ...NOTHING, lead: () => tabs.yield() });
  made.push(tabs);
  tabs.claim();
  const other = tab();
  other.tabs.claim();
  await vi.waitFor(() => expect(other.events).toEqual(['lead']));
});

test('who left the line does not take over', async () => {
  vi.stubGlobal('navigator', { locks: new Locks() });
  const one = tab();
  const other = tab();
  one.tabs.claim();
  await settle();
  other.tabs.claim();
  other.tabs.yield();
  one.tabs.yield();
  await settle();
  expect(other.events).toEqual([]);
});

test('visible tabs answer the roll', async () => {
  vi.stubGlobal('navigator', { locks: new Locks() });
  const one = tab();
  tab();
  one.tabs.roll();
  await vi.waitFor(() => expect(one.events).toEqual(['visible']));
});

test('what a page of the site broadcasts does no harm', async () => {
  vi.stubGlobal('navigator', { locks: new Locks() });
  const { events, shown } = tab();
  const channel = new BroadcastChannel('passerelle network');
  const states = [undefined, 5, {}, { ...ON, crossing: 5 }, { ...ON, crossing: Array(300_000).fill('IR') }];
  const messages = [null, 5, 'halt', { type: 'toString' }, []];
  for (const message of messages) channel.postMessage(message);
  for (const snapshot of states) channel.postMessage({ type: 'state', snapshot });
  await settle();
  channel.close();
  expect([events, shown]).toEqual([[], []]);
});

test('where there are neither channels nor locks, a tab is on its own', async () => {
  vi.stubGlobal('navigator', {});
  vi.stubGlobal('BroadcastChannel', undefined);
  const { tabs, events } = tab();
  tabs.claim();
  await vi.waitFor(() => expect(events).toEqual(['lead']));
});
