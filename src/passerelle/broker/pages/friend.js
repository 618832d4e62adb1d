// The friend's page: hands the pasted text to the switch, and shows the answer.

// The sentences, in the page's language.
const words = document.querySelector('main').dataset;
const bridge = document.querySelector('passerelle-switch');
const [ask, answer, status, reply, copy, picture, shown] = [
  'ask',
  'answer',
  'status',
  'reply',
  'copy',
  'picture',
  'shown',
].map((id) => document.getElementById(id));
const caption = shown.querySelector('figcaption');

answer.addEventListener('click', async () => {
  answer.disabled = true;
  copy.disabled = picture.disabled = true;
  shown.hidden = true;
  reply.value = '';
  status.textContent = words.working;
  try {
    await customElements.whenDefined('passerelle-switch');
    reply.value = await bridge.helpFriend(ask.value);
    copy.disabled = picture.disabled = false;
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

// What draws the picture is fetched when somebody asks for one.
picture.addEventListener('click', async () => {
  try {
    const { draw } = await import(new URL(words.qr, document.baseURI).href);
    const drawn = draw(reply.value, caption.textContent);
    if (drawn) shown.replaceChildren(drawn, caption);
    else status.textContent = words.long;
    shown.hidden = !drawn;
  } catch {
    status.textContent = words.broken;
  }
});
