/** The extension's button in the browser's bar: off, waiting, or how many people are helped. */

import { isOn, type Phase } from '../../widget/src/core/switch/store';
import { api } from './api';

export type Sign = 'off' | 'waiting' | 'helping';

export function signOf(phase: Phase, people: number): Sign {
  if (!isOn(phase)) return 'off';
  return people > 0 ? 'helping' : 'waiting';
}

/** Show the state on the button. */
export function showSign(phase: Phase, people: number): void {
  const button = api.action ?? api.browserAction;
  if (!button) return;
  const sign = signOf(phase, people);
  const path = Object.fromEntries([16, 32].map((side) => [side, `/icons/${sign}-${side}.png`]));
  void button.setIcon({ path });
  void button.setTitle({ title: api.i18n.getMessage(`sign_${sign}`, [String(people)]) });
  void button.setBadgeBackgroundColor({ color: '#0d7265' });
  void button.setBadgeText({ text: sign === 'helping' ? String(people) : '' });
}
