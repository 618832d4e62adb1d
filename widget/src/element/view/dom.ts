/** Builds nodes in one expression. Text is never parsed as markup. */

type Attributes = Readonly<Record<string, string>>;

/** Return a new HTML element. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Return a new SVG element. */
export function draw(tag: string, attributes: Attributes, ...children: readonly Node[]): SVGElement {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Set the text of `node`, unless it has that text: a screen reader would say it again. */
export function write(node: HTMLElement, text = ''): void {
  if (node.textContent !== text) node.textContent = text;
}
