/** The text that a publisher pastes. `passerelle embed` writes the same text. */

import { parse } from '../core/wire/invite';

/** The URL of the widget's script, and its hash for `integrity`. */
export interface Script {
  readonly source: string;
  readonly integrity: string;
}

type Pairs = readonly (readonly [name: string, value: string])[];

/** The height of each layout that stands in the page's flow, as CSS. `ROOM` in Python's `core/embed.py` says how
 * it was chosen. */
const ROOM: Readonly<Record<string, string>> = {
  panel: '440px',
  inline: 'max(78px,118px - 6vw)',
  banner: 'max(152px,340px - 22vw)',
};

/** Return the tag's two lines. `attributes` follow the network's invite, in their order, and then the style that
 * reserves the switch's room until the script has come. */
export function tag(script: Script, network: string, attributes: Pairs): string {
  const room = ROOM[attributes.find(([name]) => name === 'layout')?.[1] ?? 'panel'];
  const style = room ? [['style', `display:block;min-height:${room}`] as const] : [];
  const words = [['network', network] as const, ...attributes, ...style].map(pair);
  const load = `<script type="module"${pair(['src', script.source])}${pair(['integrity', script.integrity])} crossorigin></script>`;
  return `${load}\n<passerelle-switch${words.join('')}></passerelle-switch>`;
}

/** Return the CSS rule that gives all switches of a page these properties; an empty text without any. */
export function rule(properties: Pairs): string {
  if (properties.length === 0) return '';
  const lines = properties.map(([name, value]) => `  ${name}: ${value};\n`);
  return `passerelle-switch {\n${lines.join('')}}`;
}

/** Return whether `text` is an invite. */
export function isInvite(text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Return the contrast ratio of two colours `#rrggbb`, from 1 to 21 (WCAG 2.2). */
export function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const part = (from: number) => {
    const share = Number.parseInt(colour.slice(from, from + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
}

function pair([name, value]: readonly [string, string]): string {
  return ` ${name}="${escaped(value)}"`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#x27;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
