/** The popup of the extension's button: the switch, and what only an extension has. */

import { isOn } from '../../widget/src/core/switch/store';
import { PasserelleSwitch } from '../../widget/src/element/element';
import * as storage from '../../widget/src/element/site/storage';
import { api } from './api';
import * as choices from './choices';
import { RemoteSwitch } from './remoteswitch';
import { speak } from './speech';

const invite = choices.network();
const remote = new RemoteSwitch(invite);
PasserelleSwitch.find = () => remote;
customElements.define('passerelle-switch', PasserelleSwitch);

const element = document.querySelector('passerelle-switch') as PasserelleSwitch;
const start = document.querySelector('input') as HTMLInputElement;
const missing = document.querySelector('#missing') as HTMLElement;
const options = document.querySelector('button') as HTMLButtonElement;

/** The browser may start the switch only for somebody who has agreed, so the box can be ticked only while it is on. */
function arrange(): void {
  start.checked = choices.starts();
  start.disabled = !start.checked && !isOn(remote.snapshot.phase);
}

start.addEventListener('change', () => {
  choices.setStarts(start.checked);
  if (start.checked) storage.add('consent', invite);
  arrange();
});
options.addEventListener('click', () => void api.runtime.openOptionsPage());
element.addEventListener('passerelle-change', arrange);
missing.hidden = invite !== '';
element.hidden = invite === '';
if (invite) element.network = invite;
arrange();
await speak();
// The switch builds its view anew where the visitor chooses another language.
new MutationObserver(() => void speak()).observe(element.shadowRoot as ShadowRoot, { childList: true });
