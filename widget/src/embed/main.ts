/** The script of the page at `/embed`: it reads the fields, and shows a preview and the tag. It connects to
 * nothing. */

import { contrast, isInvite, rule, tag } from './tag';

/** The lowest contrast ratio for text (WCAG 2.2 §1.4.3, level AA). */
const READABLE = 4.5;

type Pair = readonly [name: string, value: string];
type Field = HTMLInputElement | HTMLSelectElement;

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

const form = get<HTMLFormElement>('settings');
const preview = get('preview');
const network = get<HTMLInputElement>('network');
const script = {
  source: form.dataset['source'] ?? '',
  integrity: form.dataset['integrity'] ?? '',
};

/** Return the attributes whose values differ from the switch's defaults. Invalid values are left out. */
function attributes(): Pair[] {
  const pairs: Pair[] = [];
  for (const field of form.querySelectorAll<Field>('[name]')) {
    if (field instanceof HTMLInputElement && field.type === 'radio' && !field.checked) continue;
    const value = field.value.trim();
    if (value !== '' && field.checkValidity() && !isUsual(field)) pairs.push([field.name, value]);
  }
  return pairs;
}

/** Return whether `field` has the value that the switch uses by itself. */
function isUsual(field: Field): boolean {
  const chosen = field instanceof HTMLSelectElement ? field.selectedOptions[0] : field;
  return chosen?.hasAttribute('data-usual') ?? false;
}

/** Return the custom properties that the publisher chose. */
function colours(): Pair[] {
  const pairs: Pair[] = [];
  for (const box of form.querySelectorAll<HTMLInputElement>('[data-for]')) {
    const colour = get<HTMLInputElement>(box.dataset['for'] ?? '');
    if (box.checked) pairs.push([colour.dataset['property'] ?? '', colour.value]);
  }
  return pairs;
}

/** Read the fields, and show the tag, the rule, the preview and warnings. */
function show(): void {
  const given = new Map(attributes());
  const floats = given.get('layout') === 'floating';
  get('corner').hidden = !floats;
  if (!floats) given.delete('corner');
  // Where going on is not offered, no extension is.
  if (given.has('keep')) for (const browser of ['chromium', 'firefox']) given.delete(browser);
  const properties = colours();
  const isGood = isInvite(network.value);
  network.setCustomValidity(isGood ? '' : 'This is not an invite: https://broker.example/#… with 43 characters after the #.');
  get<HTMLTextAreaElement>('tag').value = isGood
    ? tag(script, network.value.trim(), [...given])
    : 'Put your network’s invite in first.';
  get<HTMLTextAreaElement>('css').value = rule(properties);
  get('colours').hidden = properties.length === 0;
  mirror(given, properties);
  warn(new Map(properties));
}

/** Show the publisher's choices in the preview. */
function mirror(given: ReadonlyMap<string, string>, properties: readonly Pair[]): void {
  preview.setAttribute('mock', get<HTMLSelectElement>('state').value);
  for (const name of ['layout', 'corner', 'theme', 'lang']) {
    const value = given.get(name);
    if (value === undefined) preview.removeAttribute(name);
    else if (preview.getAttribute(name) !== value) preview.setAttribute(name, value);
  }
  for (const colour of form.querySelectorAll<HTMLInputElement>('[data-property]')) {
    preview.style.removeProperty(colour.dataset['property'] ?? '');
  }
  for (const [name, value] of properties) preview.style.setProperty(name, value);
  const stage = get('stage');
  stage.dataset['backdrop'] = get<HTMLSelectElement>('backdrop').value;
  stage.dataset['layout'] = given.get('layout') ?? 'panel';
}

/** Warn when two of the publisher's own colours are hard to read on each other. */
function warn(chosen: ReadonlyMap<string, string>): void {
  const found: string[] = [];
  const pairs = [
    ['on-accent', 'accent', 'Text on the accent'],
    ['ink', 'surface', 'Text on the surface'],
  ] as const;
  for (const [front, back, what] of pairs) {
    const [one, other] = [chosen.get(`--passerelle-${front}`), chosen.get(`--passerelle-${back}`)];
    if (one === undefined || other === undefined) continue;
    const ratio = contrast(one, other);
    if (ratio < READABLE) found.push(`${what} has a contrast of ${ratio.toFixed(1)}; readers need ${READABLE}.`);
  }
  const warning = get('contrast');
  warning.hidden = found.length === 0;
  if (warning.textContent !== found.join(' ')) warning.textContent = found.join(' ');
}

async function copy(button: HTMLButtonElement): Promise<void> {
  const source = get<HTMLTextAreaElement>(button.dataset['copy'] ?? '');
  const said = get('said');
  said.textContent = '';
  try {
    await navigator.clipboard.writeText(source.value);
    said.textContent = 'Copied.';
  } catch {
    // Insecure pages may not write to the clipboard.
    source.focus();
    source.select();
    said.textContent = 'Selected: press Ctrl+C (or ⌘C) to copy.';
  }
}

for (const box of form.querySelectorAll<HTMLInputElement>('[data-for]')) {
  const colour = get<HTMLInputElement>(box.dataset['for'] ?? '');
  // Somebody who chooses a colour wants to use it.
  colour.addEventListener('input', () => {
    box.checked = true;
    show();
  });
}
for (const id of ['settings', 'state', 'backdrop']) {
  get(id).addEventListener('input', show);
  get(id).addEventListener('change', show);
}
form.addEventListener('submit', (event) => event.preventDefault());
for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copy]')) {
  button.addEventListener('click', () => void copy(button));
}
const dark = matchMedia('(prefers-color-scheme: dark)');
if (dark.matches) get<HTMLSelectElement>('backdrop').value = 'dark';
show();
