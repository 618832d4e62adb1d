/** Builds the widget into src/passerelle/_widget/: hashed files, their integrity, and a manifest.
 * Fails when a file is over its budget. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const HERE = new URL('./', import.meta.url);
const OUT = new URL('../src/passerelle/_widget/', HERE);

/** Bytes after gzip. */
const BUDGET = { passerelle: 12 * 1024, relay: 12 * 1024 };

async function bundle(name, entry, format, define) {
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
  });
  const content = result.outputFiles[0].contents;
  const gzip_bytes = gzipSync(content, { level: 9 }).length;
  if (gzip_bytes > (BUDGET[name] ?? Infinity)) {
    throw new Error(`${name}: ${gzip_bytes} bytes after gzip, ${BUDGET[name]} allowed`);
  }
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 8);
  const integrity = `sha384-${createHash('sha384').update(content).digest('base64')}`;
  const kind = entry.endsWith('.css') ? 'css' : 'js';
  return { content, entry: { file: `${name}.${hash}.${kind}`, integrity, gzip_bytes } };
}

const relay = await bundle('relay', 'src/relay/worker.ts', 'iife', {});
const { file, integrity } = relay.entry;
const element = await bundle('passerelle', 'src/define.ts', 'esm', {
  __RELAY__: JSON.stringify({ file, integrity }),
});
// The page at `/embed`, which publishers open and visitors do not.
const embed = await bundle('embed', 'src/embed/main.ts', 'esm', {});
const embed_style = await bundle('embed', 'src/embed/style.css', undefined, {});

await mkdir(OUT, { recursive: true });
for (const old of await readdir(OUT)) await rm(new URL(old, OUT));
for (const { content, entry } of [element, relay, embed, embed_style]) await writeFile(new URL(entry.file, OUT), content);
const manifest = {
  element: element.entry,
  relay: relay.entry,
  embed: embed.entry,
  embed_style: embed_style.entry,
};
await writeFile(new URL('manifest.json', OUT), `${JSON.stringify(manifest, null, 2)}\n`);
for (const { file: name, gzip_bytes } of Object.values(manifest)) {
  console.log(`${name}  ${gzip_bytes} bytes after gzip`);
}
