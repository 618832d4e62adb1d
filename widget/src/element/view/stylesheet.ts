/** Constructable stylesheets. A Content Security Policy without `unsafe-*` allows these. */

import CSS from './style.css';

let shared: CSSStyleSheet | undefined;

/** Return the stylesheet that all switches of a page share. */
export const switchStyle = (): CSSStyleSheet => (shared ??= makeSheet(CSS));

/** Return a new stylesheet. */
export function makeSheet(css: string): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return sheet;
}
