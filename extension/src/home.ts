/** The page in which the relay is at home: Chromium's offscreen document, or Firefox's background page. Nobody sees it.
 *
 * It holds the network's one switch, which popups show and press over ports. Nothing is connected before the visitor
 * agreed in a popup, or had said before that the switch is to start with the browser.
 */

import { readSettings } from '../../widget/src/core/switch/settings';
import { isOn, type Snapshot } from '../../widget/src/core/switch/store';
import { NetworkSwitch, type SwitchElement } from '../../widget/src/element/networkswitch';
import { readChoices } from '../../widget/src/element/site/choices';
import { api, say, type HomePort } from './api';
import * as choices from './choices';
import type { Act, Notice, Shown } from './messages';
import { showSign } from './sign';

/** The time for which this page waits for a popup when the switch is off, before it is closed. */
const REST_MS = 5_000;

const ports = new Set<HomePort>();
const own = NetworkSwitch.of(choices.network());
/** Whether a popup was ever there: a page that was opened only to find out whether to start need not wait for one. */
let hasPopup = location.search !== '?start';
let resting: ReturnType<typeof setTimeout> | undefined;
/** Whether this page is being closed. A popup that comes now is told nothing, so that what it does waits for the next home. */
let isLeaving = false;
/** What waits for the switch to be off. */
const whenOff: (() => void)[] = [];

const element: SwitchElement = {
  get settings() {
    const chosen = readChoices();
    // Nobody sees this page, so what is to happen behind other tabs has no meaning here.
    return readSettings((name) => (name === 'background' ? 'run' : chosen.get(name)));
  },
  show: (snapshot) => show(snapshot),
};

const isOff = ({ phase }: Snapshot) => !isOn(phase) && phase !== 'stopping';

function show(snapshot: Snapshot): void {
  for (const port of ports) port.postMessage(shown());
  void say({ type: 'sign', phase: snapshot.phase, people: snapshot.people });
  showSign(snapshot.phase, snapshot.people);
  if (!isOff(snapshot)) return;
  for (const go of whenOff.splice(0)) go();
  rest();
}

const shown = (): Shown => ({ snapshot: own.snapshot, asks: own.asks(element), isAgreed: own.isAgreed });

/** Have this page closed, unless it is needed. Firefox keeps its background page, which costs nothing. */
function rest(): void {
  clearTimeout(resting);
  if (!isOff(own.snapshot)) return;
  resting = setTimeout(() => {
    if (ports.size > 0 || !isOff(own.snapshot)) return;
    isLeaving = !api.browserAction;
    void say({ type: 'rest' });
  }, hasPopup ? REST_MS : 0);
}

function act(what: Act): void {
  switch (what.act) {
    case 'press':
      return own.press(element);
    case 'start':
      return own.start(element);
    case 'stop':
      return own.stop();
    case 'agree':
      return own.agree(what.remember);
    case 'refuse':
      return own.refuse();
    case 'confirm':
      return own.confirm();
    case 'bar':
      return own.bar(what.reason);
    case 'forget':
      choices.forget();
      return own.forget();
  }
}

/** Turn off, and then go on with `next`. */
function off(next: () => void): void {
  whenOff.push(next);
  own.stop();
  if (isOff(own.snapshot)) show(own.snapshot);
}

/** Let people move, and remember over the update that the switch was on. */
function leave(done: () => void): void {
  if (isOn(own.snapshot.phase)) choices.keepOn();
  off(done);
}

api.runtime.onConnect.addListener((port) => {
  if (isLeaving) return;
  ports.add(port);
  hasPopup = true;
  port.onMessage.addListener((message) => act(message as Act));
  port.onDisconnect.addListener(() => {
    ports.delete(port);
    // A question that nobody sees any more is answered by no.
    if (ports.size === 0 && own.snapshot.phase === 'consent') own.refuse();
    rest();
  });
  port.postMessage(shown());
});

api.runtime.onMessage.addListener((message, _sender, answer) => {
  if ((message as Notice).type !== 'leave') return undefined;
  leave(() => answer());
  return true;
});

// Where this page is the background page itself, it takes the update.
if (api.browserAction) api.runtime.onUpdateAvailable.addListener(() => leave(() => api.runtime.reload()));

globalThis.addEventListener('storage', (event) => {
  if (choices.isNetworkChange(event) && choices.network() !== own.network) off(() => location.reload());
});

own.join(element);
const isStart = api.browserAction !== undefined || location.search === '?start';
if (choices.wasOn() || (isStart && choices.starts())) {
  own.start(element);
  own.agree(false);
}
show(own.snapshot);
