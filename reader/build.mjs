/** Builds the reading page's parts into src/passerelle/_reader/, from which `passerelle page` makes a publisher's page.
 * It fails when a part is larger than its budget. */

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { minified } from '../widget/styles.mjs';

const HERE = new URL('./', import.meta.url);
const WIDGET = new URL('../widget/', import.meta.url);
const OUT = new URL('../src/passerelle/_reader/', HERE);
const require = createRequire(WIDGET);
const { build } = require('esbuild');
const { minify } = require('terser');

/** The largest size of each part after gzip, in bytes. */
const BUDGET = {
  shell: 24 * 1024,
  worker: 2.75 * 1024,
  inner: 2.5 * 1024,
  article: 8 * 1024,
  // 9 KB are code; the sentences are in all languages.
  later: 21.25 * 1024,
  media: 13.5 * 1024,
  instead: 3 * 1024,
  file: 41.75 * 1024,
  style: 2 * 1024,
  // These are not part of a reading page on a mirror.
  survive: 5.25 * 1024,
  // 1 KB is code; the sentence is in all languages.
  survived: 3.5 * 1024,
  withdrawn: 512,
  leads: 3 * 1024,
  words: 4 * 1024,
};
/** What comes before the first byte of the site, the largest language included. The site's first document asks for the
 * inner script itself. */
const FIRST = ['shell', 'worker', 'style', 'words'];
const FIRST_BUDGET = 30 * 1024;

/** What is wrong in one sentence is written for tests and for whoever debugs: the page shows the reader a reason's words. */
const MESSAGE = /((?:new PeerError\(\s*'\w+',|new \w*Error\(|\bmalformed\()\s*)(?:'[^']*'|`[^`]*`)(?=,?\s*\))/g;

/** Properties that no other part, no message and no browser knows: the shell, which comes first, has short names for them. */
const SHORT = new RegExp(`^(?:${[
  'addressFrom', 'answers', 'areMany', 'authority', 'changed', 'channel', 'context', 'cost_ms', 'countries',
  'country', 'description', 'doors', 'expires_s', 'factor', 'failure', 'first_day', 'hasWebrtc', 'hasWorked', 'heard',
  'hurry', 'isChanged', 'isHostile', 'isHtml', 'isOpen', 'isSecure', 'isShown', 'isStalled', 'issued_s', 'isTrying',
  'isWhole', 'keyId', 'mend', 'mirrorAddress', 'moved', 'operator_key', 'private_candidates', 'proof_bits', 'receive',
  'refusal', 'renew', 'renewTicket', 'retry_after_s', 'rtt_ms', 'scheme', 'scriptText', 'seal_key', 'setByScript',
  'siteAddress', 'stays', 'throughDoor', 'ticket', 'trailers', 'undone', 'volunteer',
].join('|')})$`);

const withoutMessages = {
  name: 'without messages',
  setup: ({ onLoad }) => onLoad({ filter: /\.ts$/ }, async ({ path }) => ({
    contents: (await readFile(path, 'utf8')).replace(MESSAGE, "$1''"),
    loader: 'ts',
  })),
};

/** Bundles with esbuild, and has Terser make that 4 % smaller: names and repeated expressions suit gzip better. */
async function bundle(name, entry, mangleProps) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(HERE),
    nodePaths: [fileURLToPath(new URL('node_modules', WIDGET))],
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    format: 'iife',
    plugins: [withoutMessages],
    ...(mangleProps && { mangleProps }),
  });
  const compress = { passes: 5, hoist_funs: true, sequences: false, unsafe_arrows: true, unsafe: true };
  const { code } = await minify(outputFiles[0].text, { ecma: 2020, toplevel: true, compress });
  return { name, file: `${name}.js`, content: Buffer.from(code) };
}

async function style() {
  const code = await minified(new URL('src/face/style.css', HERE));
  return { name: 'style', file: 'shell.css', content: Buffer.from(code) };
}

async function words() {
  const folder = new URL('src/words/', HERE);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(names.map(async (name) => {
    const text = JSON.stringify(JSON.parse(await readFile(new URL(name, folder), 'utf8')));
    return { name: 'words', file: `words-${name}`, content: Buffer.from(text) };
  }));
}

/** What the notice says first at a site's own address. That log-ins do not carry over is a surprise there. */
async function leads() {
  const read = async (path) => JSON.parse(await readFile(new URL(path, HERE), 'utf8'));
  const said = await read('src/later/sentences.json');
  const all = Object.entries(await read('src/survive/leads.json')).map(([code, lead]) => [code, `${lead} ${said[code].login}`]);
  return { name: 'leads', file: 'leads.json', content: Buffer.from(JSON.stringify(Object.fromEntries(all))) };
}

const parts = [
  await bundle('shell', 'src/shell/main.ts', SHORT),
  await bundle('worker', 'src/worker/worker.ts'),
  await bundle('inner', 'src/inner/inner.ts'),
  await bundle('article', 'src/article/standalone.ts'),
  await bundle('later', 'src/later/standalone.ts'),
  await bundle('media', 'src/media/standalone.ts'),
  await bundle('instead', 'src/instead/main.ts'),
  await bundle('file', 'src/file/main.ts'),
  await bundle('survive', 'src/survive/worker.ts'),
  await bundle('survived', 'src/survive/shell.ts'),
  await bundle('withdrawn', 'src/survive/withdrawn.ts'),
  await leads(),
  await style(),
  ...(await words()),
];
await mkdir(OUT, { recursive: true });
for (const old of await readdir(OUT)) await rm(new URL(old, OUT));
const largest = new Map();
for (const { name, file, content } of parts) {
  const gzip_bytes = gzipSync(content, { level: 9 }).length;
  largest.set(name, Math.max(gzip_bytes, largest.get(name) ?? 0));
  if (gzip_bytes > BUDGET[name]) throw new Error(`${file}: ${gzip_bytes} bytes after gzip, ${BUDGET[name]} allowed`);
  await writeFile(new URL(file, OUT), content);
  console.log(`${file}  ${gzip_bytes} bytes after gzip`);
}
const first_bytes = FIRST.reduce((sum, name) => sum + largest.get(name), 0);
console.log(`${first_bytes} bytes after gzip come before the site`);
if (first_bytes > FIRST_BUDGET) throw new Error(`${FIRST_BUDGET} bytes are allowed before the site`);
