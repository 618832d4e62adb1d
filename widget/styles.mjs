/** Style sheets for the builds of the widget, the reading page and the extension: minified, and imported as text. */

import { readFile } from 'node:fs/promises';
import { transform } from 'esbuild';

/** Return the style sheet at `path`, minified. */
export async function minified(path) {
  const text = await readFile(path, 'utf8');
  const { code } = await transform(text, { loader: 'css', minify: true, target: 'es2022' });
  return code.trim();
}

/** The plugin with which esbuild imports style sheets. */
export const css = {
  name: 'css',
  setup(plugin) {
    plugin.onLoad({ filter: /\.css$/ }, async ({ path }) => ({ contents: await minified(path), loader: 'text' }));
  },
};
