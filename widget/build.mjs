/** Builds the widget into src/passerelle/_widget/: files named by their hashes, types, and a manifest with
 * integrity. It fails when a file is larger than its budget. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { dots } from './dots.mjs';
import { css, minified } from './styles.mjs';

const HERE = new URL('./', import.meta.url);
const OUT = new URL('../src/passerelle/_widget/', HERE);
const WORDS = new URL('src/words/', HERE);

/** The largest size of each file after gzip, in bytes. `words` is for one language. */
const BUDGET = {
  // 13 KB were wanted; a quarter of one is for reading what another tab says of this device's rate.
  passerelle: 13.25 * 1024,
  // 6 KB were wanted; 1 KB is for the sound of links that look like calls, and for what browsers say of their paths,
  // and a quarter of one for looking anew in another network.
  engine: 7.75 * 1024,
  // 10 KB were wanted; 4.5 KB are for video one way and both ways, 3.25 KB for links that look like calls, 1 KB for
  // bounds on hostile brokers and exits, 1.5 KB for the test of this device's rate, 0.5 KB for what a volunteer is
  // told of its own use, 0.25 KB for asking the broker seldom, and 0.25 KB for the places of people who may be gone.
  relay: 21 * 1024,
  map: 60 * 1024,
  // Fetched at the first press, never before. It has the consent text, which nobody reads earlier.
  more: 8.5 * 1024,
  // Fetched when the switch is on. 5 KB were wanted; 0.25 KB is for telling the small window the page's limits.
  on: 5.25 * 1024,
  words: 6 * 1024,
  // Fetched by the page `/friend` when a friend asks for the picture.
  qr: 6.5 * 1024,
};

/** Names of the English words that are read before the first press. They are part of the script; the others come with
 * `more`. */
const FIRST = 'dir title lead off consent helped carried shared today limits open fold away';
const FIRST_REASONS = ['script', 'policy'];
/** Names of the English words that are read only while the switch is on. They come with `on`. */
const ON =
  'elsewhere retry retry_now arrived arrived_unknown globe unknown keep keep_window keep_extension kept reach demand waits last failed ' +
  'speeds untested measured measured_small';

/** A plugin for English words: the script and `on` get their own words, and every other file the rest. */
const english = (file) => ({
  name: 'english',
  setup(plugin) {
    plugin.onLoad({ filter: /\/en\.json$/ }, async ({ path }) => {
      const all = JSON.parse(await readFile(path, 'utf8'));
      const [first, on] = [FIRST, ON].map((names) => names.split(' '));
      const partOf = (name) => (first.includes(name) ? 'passerelle' : on.includes(name) ? 'on' : 'more');
      const part = file === 'passerelle' || file === 'on' ? file : 'more';
      const words = Object.fromEntries(Object.entries(all).filter(([name]) => partOf(name) === part));
      if (part === 'passerelle') words.reasons = Object.fromEntries(FIRST_REASONS.map((name) => [name, all.reasons[name]]));
      return { contents: JSON.stringify(words), loader: 'json' };
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
    legalComments: name === 'qr' ? 'inline' : 'none',
    logLevel: 'warning',
    format,
    define,
    plugins: [css, english(name)],
  });
  return finish(name, 'js', result.outputFiles[0].contents);
}

/** Name a file by its hash, and check its size against its budget. */
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

/** Make a file of the words of every language but English, which the scripts hold. */
async function words() {
  const names = (await readdir(WORDS)).filter((name) => name.endsWith('.json') && name !== 'en.json').sort();
  return Promise.all(
    names.map(async (name) => {
      const text = JSON.stringify(JSON.parse(await readFile(new URL(name, WORDS), 'utf8')));
      return finish(`words-${name.replace('.json', '')}`, 'json', Buffer.from(text));
    }),
  );
}

/** The hashes of `files`, for the file that fetches them. */
const fetches = (...files) => ({
  __FILES__: JSON.stringify(Object.fromEntries(
    files.map(({ name, digest }) => [name, name.startsWith('words-') ? digest.slice(0, 16) : digest]),
  )),
});

const relay = await bundle('relay', 'src/relay/worker.ts', 'iife');
const engine = await bundle('engine', 'src/element/work/engine.ts', 'esm', fetches(relay));
const map = await bundle('map', 'src/map/globe.ts', 'esm', { __DOTS__: JSON.stringify(await dots()) });
const on = await bundle('on', 'src/on/on.ts', 'esm', fetches(map));
const more = await bundle('more', 'src/more/more.ts', 'esm', fetches(on));
const languages = await words();
const element = await bundle('passerelle', 'src/define.ts', 'esm', fetches(engine, more, ...languages));
element.name = 'element';

// The broker's page for publishers at `/embed` uses these two. No visitor fetches them.
const editor = await bundle('embed', 'src/embed/main.ts', 'esm');
const editor_style = finish('embed_style', 'css', Buffer.from(await minified(new URL('src/embed/style.css', HERE))));

// The broker's page `/friend` uses this one, when a friend asks for a QR picture.
const qr = await bundle('qr', 'src/qr/picture.ts', 'esm');

await mkdir(OUT, { recursive: true });
for (const old of await readdir(OUT)) await rm(new URL(old, OUT));
const all = [element, relay, engine, map, more, on, ...languages, editor, editor_style, qr];
for (const { content, entry } of all) await writeFile(new URL(entry.file, OUT), content);
const manifest = Object.fromEntries(all.map(({ name, entry }) => [name, entry]));
await writeFile(new URL('manifest.json', OUT), `${JSON.stringify(manifest, null, 2)}\n`);
await writeFile(new URL('passerelle.d.ts', OUT), await readFile(new URL('src/element/public.ts', HERE)));
for (const { file, gzip_bytes } of Object.values(manifest)) {
  console.log(`${file}  ${gzip_bytes} bytes after gzip`);
}
