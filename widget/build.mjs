/** Builds the widget into src/passerelle/_widget/: hashed files, types, and a manifest with integrity.
 * Fails when a file is over its budget. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, transform } from 'esbuild';
import { dots } from './dots.mjs';

const HERE = new URL('./', import.meta.url);
const OUT = new URL('../src/passerelle/_widget/', HERE);
const WORDS = new URL('src/words/', HERE);

/** Bytes after gzip; of a language's words too. */
const BUDGET = {
  passerelle: 12 * 1024,
  engine: 6 * 1024,
  // Two more than wanted: the video that downloads ride in.
  relay: 12 * 1024,
  map: 60 * 1024,
  more: 6 * 1024,
  words: 6 * 1024,
};

async function minified(path) {
  const text = await readFile(path, 'utf8');
  const { code } = await transform(text, { loader: 'css', minify: true, target: 'es2022' });
  return code.trim();
}

const css = {
  name: 'css',
  setup(plugin) {
    plugin.onLoad({ filter: /\.css$/ }, async ({ path }) => ({ contents: await minified(path), loader: 'text' }));
  },
};

/** English that is read before the switch is on; it is part of the script, the rest comes later. */
const FIRST =
  'name dir title lead ask what what_how where where_how who who_how cost cost_how end end_how remember agree ' +
  'refuse off consent connecting stopping helped carried shared today limits open fold';
const FIRST_REASONS = ['invite', 'script'];

/** Of the English words, give the script those it needs, and the other part the rest. */
const english = (isFirst) => ({
  name: 'english',
  setup(plugin) {
    plugin.onLoad({ filter: /\/en\.json$/ }, async ({ path }) => {
      const all = JSON.parse(await readFile(path, 'utf8'));
      const names = FIRST.split(' ');
      const kept = Object.entries(all).filter(([name]) => names.includes(name) === isFirst);
      const part = Object.fromEntries(kept);
      if (isFirst) part.reasons = Object.fromEntries(FIRST_REASONS.map((name) => [name, all.reasons[name]]));
      return { contents: JSON.stringify(part), loader: 'json' };
    });
  },
});

async function bundle(name, entry, format, define = {}) {
  const result = await build({
    absWorkingDir: fileURLToPath(HERE),
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    format,
    define,
    plugins: [css, english(name === 'passerelle')],
  });
  return finish(name, 'js', result.outputFiles[0].contents);
}

/** Name a file by its hash, and hold it against its budget. */
function finish(name, ending, content) {
  const gzip_bytes = gzipSync(content, { level: 9 }).length;
  const budget = BUDGET[name.replace(/-.*/, '')];
  if (gzip_bytes > budget) {
    throw new Error(`${name}: ${gzip_bytes} bytes after gzip, ${budget} allowed`);
  }
  const hash = createHash('sha256').update(content);
  const digest = hash.digest('base64');
  const digits = Buffer.from(digest, 'base64').toString('hex').slice(0, 8);
  const integrity = `sha384-${createHash('sha384').update(content).digest('base64')}`;
  return { name, digest, content, entry: { file: `${name}.${digits}.${ending}`, integrity, gzip_bytes } };
}

/** The words of every language but English, which is part of the script. */
async function words() {
  const names = (await readdir(WORDS)).filter((name) => name !== 'en.json').sort();
  return Promise.all(
    names.map(async (name) => {
      const text = JSON.stringify(JSON.parse(await readFile(new URL(name, WORDS), 'utf8')));
      return finish(`words-${name.replace('.json', '')}`, 'json', Buffer.from(text));
    }),
  );
}

const parts = [
  await bundle('relay', 'src/relay/worker.ts', 'iife'),
  await bundle('engine', 'src/element/work/engine.ts', 'esm'),
  await bundle('map', 'src/map/globe.ts', 'esm', { __DOTS__: JSON.stringify(await dots()) }),
  await bundle('more', 'src/more/more.ts', 'esm'),
  ...(await words()),
];
const element = await bundle('passerelle', 'src/define.ts', 'esm', {
  __PARTS__: JSON.stringify(Object.fromEntries(
    parts.map(({ name, digest }) => [name, name.startsWith('words-') ? digest.slice(0, 16) : digest]),
  )),
});
element.name = 'element';

// The broker's page for publishers, at `/embed`; no visitor fetches it.
const editor = await bundle('embed', 'src/embed/main.ts', 'esm');
const editor_style = finish('embed_style', 'css', Buffer.from(await minified(new URL('src/embed/style.css', HERE))));

await mkdir(OUT, { recursive: true });
for (const old of await readdir(OUT)) await rm(new URL(old, OUT));
const all = [element, ...parts, editor, editor_style];
for (const { content, entry } of all) await writeFile(new URL(entry.file, OUT), content);
const manifest = Object.fromEntries(all.map(({ name, entry }) => [name, entry]));
await writeFile(new URL('manifest.json', OUT), `${JSON.stringify(manifest, null, 2)}\n`);
await writeFile(new URL('passerelle.d.ts', OUT), await readFile(new URL('src/element/public.ts', HERE)));
for (const { file, gzip_bytes } of Object.values(manifest)) {
  console.log(`${file}  ${gzip_bytes} bytes after gzip`);
}
