/** The switch's look, as constructable stylesheets: allowed under a CSP without `unsafe-*`. */

import CSS from './style.css';

let sheet: CSSStyleSheet | undefined;

/** The stylesheet that all switches of a page share. */
export const style = (): CSSStyleSheet => (sheet ??= make(CSS));

export function make(css: string): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}
