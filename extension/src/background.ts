/** Chromium's service worker: it opens and closes the offscreen document, which is the relay's home, and shows the
 * button's sign. The browser ends it at any time, and the home goes on without it. */

import { api } from './api';
import type { Notice } from './messages';
import { showSign } from './sign';

const HOME = 'home.html';

/** What is being done with the home: there may be one only, so one thing is done at a time. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn(work: () => Promise<unknown>): Promise<unknown> {
  turn = turn.then(work, work);
  return turn;
}

const hasHome = async (): Promise<boolean> =>
  ((await api.runtime.getContexts?.({ contextTypes: ['OFFSCREEN_DOCUMENT'] })) ?? []).length > 0;

async function open(query = ''): Promise<void> {
  if (await hasHome()) return;
  try {
    await api.offscreen?.createDocument({
      url: HOME + query,
      reasons: ['WEB_RTC'],
      justification: 'The switch that you turned on relays for people behind a firewall, by WebRTC.',
    });
  } catch (error) {
    // An earlier run of this worker may have begun it.
    if (!(await hasHome())) throw error;
  }
}

async function close(): Promise<void> {
  if (await hasHome()) await api.offscreen?.closeDocument();
}

async function update(): Promise<void> {
  if (await hasHome()) await api.runtime.sendMessage({ type: 'leave' } satisfies Notice);
  api.runtime.reload();
}

api.runtime.onMessage.addListener((message, _sender, answer) => {
  const notice = message as Notice;
  switch (notice.type) {
    case 'open':
      void inTurn(() => open()).finally(() => answer());
      return true;
    case 'rest':
      void inTurn(close);
      return undefined;
    case 'sign':
      showSign(notice.phase, notice.people);
      return undefined;
    default:
      return undefined;
  }
});

// The home finds out whether the visitor wants it, and is closed again where they do not. After an update, and for an
// extension that is loaded anew each time, there is only the second event.
api.runtime.onStartup.addListener(() => void inTurn(() => open('?start')));
api.runtime.onInstalled.addListener(() => void inTurn(() => open('?start')));
api.runtime.onUpdateAvailable.addListener(() => void inTurn(update));
