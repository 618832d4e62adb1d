// The friend's page: hands the pasted text to the switch, and shows the answer.

// The sentences, in the page's language.
const words = document.querySelector('main').dataset;
const bridge = document.querySelector('passerelle-switch');
const [ask, answer, status, reply, copy] = ['ask', 'answer', 'status', 'reply', 'copy'].map((id) =>
  document.getElementById(id),
);

answer.addEventListener('click', async () => {
  answer.disabled = true;
  copy.disabled = true;
  reply.value = '';
  status.textContent = words.working;
  try {
    await customElements.whenDefined('passerelle-switch');
    reply.value = await bridge.helpFriend(ask.value);
    copy.disabled = false;
    status.textContent = words.done;
    reply.select();
  } catch (error) {
    status.textContent = words[error.reason] ?? words.broken;
  } finally {
    answer.disabled = false;
  }
});

copy.addEventListener('click', async () => {
  reply.select();
  try {
    await navigator.clipboard.writeText(reply.value);
    status.textContent = words.copied;
  } catch {
    status.textContent = words.byHand;
  }
});
