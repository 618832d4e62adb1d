/** What whoever made this file wrote into it: the whole reading page, so that one file at the site's root is enough. */

/** Stands in front of the worker's code in the file that is served. */
declare const __PAGE__: {
  /** The site's origins, the main one first. */
  readonly site: readonly [string, ...string[]];
  /** The brokers' and doors' origins. */
  readonly brokers: readonly string[];
  /** The reading page's own files by their paths. They are as genuine as this file, which holds them. */
  readonly files: Readonly<Record<string, string>>;
  /** The site's Ed25519 public key in base64, if its server signs proofs; empty otherwise. */
  readonly key: string;
  /** The network operator's Ed25519 public key in base64url, and the Unix time when this file was made. */
  readonly operator: string;
  readonly made_s: number;
};

export const { site: SITE, brokers: BROKERS, key: KEY, operator: OPERATOR, made_s: MADE_S } = __PAGE__;

/** The document of the shell. */
export const SHELL = '/passerelle.reader/shell.html';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html', js: 'text/javascript', css: 'text/css', json: 'application/json',
};

/** Answer with the reading page's own file at `path`. */
export function ownFile(path: string): Response {
  const content = Object.hasOwn(__PAGE__.files, path) ? __PAGE__.files[path] : null;
  const type = TYPES[path.split('.').pop()!];
  if (content == null || !type) return new Response(null, { status: 404 });
  return new Response(content, { headers: { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' } });
}
