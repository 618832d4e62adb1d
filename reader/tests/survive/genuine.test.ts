/** What counts as the site's own file: asked of a real server, which says what a test wants. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

const OPERATOR = 'o'.repeat(43);
const PAGE = { site: ['https://news.example'], brokers: [], files: {}, key: '', operator: OPERATOR, made_s: 1 };
const HEAD = '// Passerelle: the site goes on when it is blocked. The publisher put this file here.\n';
const SIGNED = `// Signed 1800000000 ${'A'.repeat(86)}==\n`;
const code = (operator: string) => `{const __PAGE__={"operator":"${operator}","site":["https://news.example"]};\n${'x'.repeat(9000)}}\n`;
const WITHDRAWN = '// Passerelle: withdrawn by the publisher.\nself.addEventListener("install", () => {});\n';
const SCRIPT = 'text/javascript; charset=utf-8';
const HTML = 'text/html';

let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let file: URL;

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  file = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/passerelle-survive.js`);
});
afterAll(() => void server.closeAllConnections());
afterAll(() => void server.close());

/** Tell what a worker that was just started makes of a page with these headers. */
async function judge(headers: Readonly<Record<string, string>> = {}): Promise<boolean> {
  vi.resetModules();
  vi.stubGlobal('__PAGE__', PAGE);
  const { isGenuine, prepare } = await import('../../src/survive/genuine');
  return isGenuine(new Response('a page', { headers }), prepare(file), file);
}

const says = (status: number, type: string, body: string) => {
  answer = (_request, response) => response.writeHead(status, { 'content-type': type }).end(body);
};

test.each([
  ['the file', SCRIPT, HEAD + code(OPERATOR)],
  ['the signed file', 'application/javascript', HEAD + SIGNED + code(OPERATOR)],
  ['the file that withdraws it', SCRIPT, WITHDRAWN],
])('%s proves the site', async (_what, type, body) => {
  says(200, type, body);
  expect(await judge()).toBe(true);
});

test.each([
  ['a portal that answers everything', HTML, '<!doctype html><title>Sign in</title>'],
  ['a block page that begins like the file', HTML, `// Passerelle\n<!doctype html><title>Notice</title>`],
  ['one that begins like the file to its end', HTML, HEAD + code(OPERATOR)],
  ['a script that begins like the file', SCRIPT, `${HEAD}alert(1)`],
  ["another network's file", SCRIPT, HEAD + code('p'.repeat(43))],
  ['one that names the network late', SCRIPT, HEAD + ' '.repeat(2048) + code(OPERATOR)],
  ['nothing', SCRIPT, ''],
])('%s proves nothing', async (_what, type, body) => {
  says(200, type, body);
  expect(await judge()).toBe(false);
});

test.each([[404, true], [410, true], [301, true], [307, true], [403, false], [503, false]])('without the file, %d proves %s', async (status, is) => {
  says(status, HTML, 'no such file');
  expect(await judge()).toBe(is);
});

const ago = (s: number) => new Date(Date.now() - 1000 * s).toUTCString();

test.each([
  ['now', { date: ago(0) }],
  ['a moment ago', { date: ago(50) }],
  ['now, from a cache on the way', { date: ago(5_000), age: '5000' }],
])('a page that is marked and left its server %s is taken at its word, and the file is not asked for', async (_when, times) => {
  answer = () => expect.unreachable();
  expect(await judge({ 'passerelle-site': '1', ...times })).toBe(true);
});

test.each([
  ['long ago', { date: ago(70) }],
  ['long ago, after a cache on the way', { date: ago(5_000), age: '4000' }],
  ['in the future', { date: ago(-70) }],
  ['at a time that is none', { date: 'today' }],
  ['at a time that is not told', {}],
])('a page that is marked and left its server %s proves nothing: a cache may have had it', async (_when, times) => {
  says(403, HTML, 'blocked');
  expect(await judge({ 'passerelle-site': '1', ...times })).toBe(false);
  says(200, SCRIPT, HEAD + code(OPERATOR));
  expect(await judge({ 'passerelle-site': '1', ...times })).toBe(true);
});

test('who never answers, or begins and says no more, is given up', async () => {
  const gone: Promise<void>[] = [];
  const hold = (response: ServerResponse) => gone.push(new Promise((resolve) => response.on('close', () => resolve())));
  const verdicts = [];
  for (const begins of [false, true]) {
    answer = (_request, response) => {
      hold(response);
      if (begins) response.writeHead(200, { 'content-type': SCRIPT }).write(HEAD.slice(0, 20));
    };
    const verdict = judge();
    verdicts.push(expect(verdict).rejects.toThrow());
    await vi.waitFor(() => expect(gone.length).toBe(verdicts.length));
  }
  await Promise.all(verdicts);
  await Promise.all(gone);
});
