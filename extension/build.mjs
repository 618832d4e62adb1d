/** Builds the extension for Chromium and for Firefox, from one source, into two folders: `node build.mjs OUT`.
 *
 * The network's invite is in the environment's PASSERELLE_NETWORK; without it the visitor puts one into the options. */

import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { css } from '../widget/styles.mjs';
import { icon } from './icon.mjs';

const HERE = new URL('./', import.meta.url);
const WIDGET = new URL('../widget/', import.meta.url);
const require = createRequire(WIDGET);
const { build } = require('esbuild');

const NETWORK = process.env.PASSERELLE_NETWORK ?? '';
const SIDES = [16, 32, 48, 128];
/** How browsers' stores call languages, where that differs. */
const LOCALES = { 'zh-Hans': 'zh_CN', 'zh-Hant': 'zh_TW' };

const json = async (path) => JSON.parse(await readFile(path, 'utf8'));

/** The words of a language: the switch's, and over them the extension's. */
async function wordsOf(name) {
  return { ...(await json(new URL(`src/words/${name}`, WIDGET))), ...(await json(new URL(`words/${name}`, HERE))) };
}

const names = (await readdir(new URL('words/', HERE))).filter((name) => name.endsWith('.json')).sort();
const words = new Map(await Promise.all(names.map(async (name) => [name.replace('.json', ''), await wordsOf(name)])));

const parts = {
  name: 'parts',
  setup(plugin) {
    plugin.onLoad({ filter: /\/words\/en\.json$/ }, () => ({ contents: JSON.stringify(words.get('en')), loader: 'json' }));
    plugin.onResolve({ filter: /\/files\/files$/ }, () => ({ path: fileURLToPath(new URL('src/files.ts', HERE)) }));
  },
};

async function bundle(out, names, options) {
  await build({
    absWorkingDir: fileURLToPath(HERE),
    entryPoints: names,
    outdir: fileURLToPath(out),
    bundle: true,
    minify: true,
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    define: {
      __NETWORK__: JSON.stringify(NETWORK),
      __LANGUAGES__: JSON.stringify([...words.keys()].filter((code) => code !== 'en')),
    },
    plugins: [css, parts],
    ...options,
  });
}

/** What a store and the browser's own menus say, in one language. */
function messages(given) {
  const of = (name) => ({ message: given[name] });
  return {
    name: of('store_name'),
    summary: of('store_summary'),
    sign_off: of('sign_off'),
    sign_waiting: of('sign_waiting'),
    sign_helping: { message: given.sign_helping, placeholders: { n: { content: '$1' } } },
  };
}

async function make(browser, out) {
  await rm(out, { recursive: true, force: true });
  await mkdir(new URL('icons/', out), { recursive: true });
  await cp(new URL('pages/', HERE), out, { recursive: true });
  const pages = ['src/home.ts', 'src/popup.ts', 'src/options.ts'];
  await bundle(out, pages, { format: 'esm', splitting: true });
  const relay = fileURLToPath(new URL('src/relay/worker.ts', WIDGET));
  await bundle(out, [{ in: relay, out: 'relay' }], { format: 'iife' });
  if (browser === 'chromium') await bundle(out, ['src/background.ts'], { format: 'esm' });
  for (const sign of ['off', 'waiting', 'helping']) {
    for (const side of SIDES) await writeFile(new URL(`icons/${sign}-${side}.png`, out), icon(sign, side));
  }
  await mkdir(new URL('words/', out));
  for (const [code, given] of words) {
    if (code !== 'en') await writeFile(new URL(`words/${code}.json`, out), JSON.stringify(given));
    const folder = new URL(`_locales/${LOCALES[code] ?? code}/`, out);
    await mkdir(folder, { recursive: true });
    await writeFile(new URL('messages.json', folder), JSON.stringify(messages(given)));
  }
  const { version } = await json(new URL('package.json', WIDGET));
  const manifest = { ...(await json(new URL('manifest.json', HERE))), version, ...(await json(new URL(`${browser}.json`, HERE))) };
  await writeFile(new URL('manifest.json', out), `${JSON.stringify(manifest, null, 2)}\n`);
}

const out = process.argv[2];
if (!out) throw new Error('say where to build: node build.mjs OUT');
const folder = new URL(`${out.replace(/\/*$/, '')}/`, `file://${process.cwd()}/`);
for (const browser of ['chromium', 'firefox']) await make(browser, new URL(`${browser}/`, folder));
