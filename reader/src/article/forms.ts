/** Forms of an article, which a frame without scripts does not send by itself: what a button or Enter would send. */

import { CONTENT_BYTES, MESSAGE_LINE_BYTES } from '../limits';
import type { Header } from '../site/answer';

/** What the article cannot do; each has its sentence in `sentences.json`. */
export type Inability = 'no_script' | 'form_large' | 'form_elsewhere' | 'file';

/** A form's content on its way to the site. */
export interface Post {
  readonly headers: readonly Header[];
  readonly content: Uint8Array<ArrayBuffer>;
  /** The exit knows a repetition by it. */
  readonly key: string;
}

/** A page of the site, and the form for which it is the answer, if there is one. */
export interface Wanted {
  readonly address: URL;
  readonly post: Post | null;
}

/** Return the form that a click on `target` sends, and the button that does; null if it sends none. */
export function sentBy(target: Element): readonly [HTMLFormElement, HTMLButtonElement | HTMLInputElement] | null {
  const button = target.closest<HTMLButtonElement | HTMLInputElement>('button, input');
  return button?.form && ['submit', 'image'].includes(button.type) ? [button.form, button] : null;
}

/** Tell whether a click on `target` would have run a script of the site, and does nothing else. */
export function needsScript(target: Element): boolean {
  const found = target.closest('button, input, summary, select, textarea, label, [role=button], [onclick]');
  if (!found || found.matches('summary, select, textarea, label, [popovertarget], [commandfor]')) return false;
  if (found.matches('input') && !found.matches('[type=button], [type=submit], [type=image]')) return found.hasAttribute('onclick');
  return !(found.matches('[type=reset]') && (found as HTMLButtonElement).form);
}

/** Return the form that Enter in `target` sends, and its first button; null if it sends none. */
export function sentByEnter(target: Element): readonly [HTMLFormElement, HTMLButtonElement | HTMLInputElement | null] | null {
  if (!target.matches('input:not([type=submit], [type=image], [type=button], [type=reset], [type=file], [type=color])')) return null;
  const { form } = target as HTMLInputElement;
  const button = form && defaultButton(form);
  return form && !button?.disabled ? [form, button] : null;
}

/** Return the button that Enter presses. */
export function defaultButton(form: HTMLFormElement): HTMLButtonElement | HTMLInputElement | null {
  const buttons = [...form.elements, ...form.querySelectorAll<HTMLInputElement>('input[type=image]')] as HTMLInputElement[];
  return buttons.find(({ type }) => type === 'submit' || type === 'image') ?? null;
}

/** Return what `form` sends from a page whose addresses are read from `base`, or why it cannot. */
export async function sent(form: HTMLFormElement, button: HTMLElement | null, base: URL): Promise<Wanted | Inability> {
  const given = (name: string) => button?.getAttribute(`form${name}`) ?? form.getAttribute(name) ?? '';
  const action = given('action');
  if (!URL.canParse(action, base)) return 'no_script';
  const address = new URL(action, base);
  address.hash = '';
  if (!/^https?:$/.test(address.protocol)) return 'no_script';
  const data = button ? new FormData(form, button) : new FormData(form);
  const pairs = [...data].map(([name, value]) => [lines(name), typeof value === 'string' ? lines(value) : value.name] as [string, string]);
  if (given('method').toLowerCase() !== 'post') {
    address.search = String(new URLSearchParams(pairs));
    return address.pathname.length + address.search.length > MESSAGE_LINE_BYTES ? 'form_large' : { address, post: null };
  }
  let size = 0;
  for (const [name, value] of data) size += name.length + (typeof value === 'string' ? value.length : value.size);
  if (size > CONTENT_BYTES) return 'form_large';
  const body = new Response(given('enctype').toLowerCase() === 'multipart/form-data' ? data : new URLSearchParams(pairs));
  const content = new Uint8Array(await body.arrayBuffer());
  if (content.length > CONTENT_BYTES) return 'form_large';
  const headers: Header[] = [['content-type', body.headers.get('content-type')!], ['origin', base.origin]];
  return { address, post: { headers, content, key: crypto.randomUUID() } };
}

/** Lines of a form end so (HTML §4.10.22.4). */
const lines = (text: string): string => text.replace(/\r\n?|\n/g, '\r\n');
