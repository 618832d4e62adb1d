/** The page of options: which network the extension helps. */

import { LIKE_INVITE } from '../../widget/src/element/networkswitch';
import * as choices from './choices';
import { speak } from './speech';

const form = document.querySelector('form') as HTMLFormElement;
const field = document.querySelector('textarea') as HTMLTextAreaElement;
const said = document.querySelector('output') as HTMLElement;

field.value = choices.network();
const words = await speak();
field.addEventListener('input', () => {
  said.textContent = '';
  field.removeAttribute('aria-invalid');
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = field.value.trim();
  // Readers' invites go on with ways to the broker or with a family, which volunteers do not need.
  const invite = LIKE_INVITE.exec(text)?.[0] ?? '';
  const isInvite = text === '' || invite !== '';
  if (isInvite) choices.chooseNetwork(invite);
  else field.setAttribute('aria-invalid', 'true');
  said.textContent = words[isInvite ? 'network_saved' : 'network_wrong'] ?? '';
  if (isInvite) field.value = choices.network();
  else field.focus();
});
