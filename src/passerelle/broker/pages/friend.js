// The friend's page: hands the pasted text to the switch, and shows the answer.

const WORDS = {
  off: 'Turn the switch on first and wait until it says that it is ready.',
  text: 'This is not the whole text. It begins with passerelle-ask1: and ends with a full stop.',
  refused:
    'This text cannot be used: it was used before, is older than 15 minutes, or is for another ' +
    'network. Ask your friend for a new one.',
  timeout: 'The server did not answer. Wait a moment, then try again.',
};

const bridge = document.querySelector('passerelle-switch');
const [ask, answer, status, reply, copy] = ['ask', 'answer', 'status', 'reply', 'copy'].map((id) =>
  document.getElementById(id),
);

answer.addEventListener('click', async () => {
  answer.disabled = true;
  copy.disabled = true;
  reply.value = '';
  status.textContent = 'Working …';
  try {
    await customElements.whenDefined('passerelle-switch');
    reply.value = await bridge.helpFriend(ask.value);
    copy.disabled = false;
    status.textContent = 'Done: the answer is below.';
    reply.select();
  } catch (error) {
    status.textContent = WORDS[error.reason] ?? 'Something went wrong. Reload this page.';
  } finally {
    answer.disabled = false;
  }
});

copy.addEventListener('click', async () => {
  reply.select();
  try {
    await navigator.clipboard.writeText(reply.value);
    status.textContent = 'Copied.';
  } catch {
    status.textContent = 'Copy the marked text by hand.';
  }
});
