// A door: readers whose network blocks the broker reach it through this edge function.
//
// It is written for runtimes whose modules export `fetch(request)`. Fill in the three settings and
// publish it; its base URL is any path below its address, for example
// https://door.example.workers.example/passerelle. It passes on sealed messages of fixed sizes to the
// addresses below and nothing else, keeps nothing, and tells nobody who asked.
//
// Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0

const BROKER = 'https://bridge.example';
const EXITS = { 'exit-1': 'https://bridge.example' };
const KEY = 'THE-KEY';

const WEBSOCKET_FIELDS = ['upgrade', 'connection', 'sec-websocket-version', 'sec-websocket-key', 'sec-websocket-protocol'];
const ANSWER_FIELDS = ['content-type', 'cache-control', 'access-control-allow-origin'];

/** Whether a body's length is that of a sealed message: a power of two from `least` to `most`, and what sealing adds. */
function isSealed(request, least, most, overhead) {
  const size = Number(request.headers.get('content-length')) - overhead;
  return size >= least && size <= most && Number.isInteger(Math.log2(size));
}

/** Where a request leads; undefined for what is no request to a door. */
function target(request) {
  const found = /\/v1\/(network|rendezvous|gateway|link)(?:\/([a-z0-9-]{1,32}))?$/.exec(new URL(request.url).pathname);
  if (!found) return undefined;
  const [, what, exit] = found;
  const at = exit === undefined ? BROKER : Object.hasOwn(EXITS, exit) ? EXITS[exit] : undefined;
  if (at === undefined || (exit === undefined) !== (what === 'network' || what === 'rendezvous')) return undefined;
  const isFit = {
    network: () => request.method === 'GET',
    rendezvous: () => request.method === 'POST' && isSealed(request, 1024, 8192, 48),
    gateway: () => request.method === 'POST' && isSealed(request, 512, 2 ** 21, 56),
    link: () => request.method === 'GET' && request.headers.get('upgrade') === 'websocket',
  }[what];
  return isFit() ? `${at}/v1/${what}` : undefined;
}

export default {
  async fetch(request) {
    const url = target(request);
    if (url === undefined) return new Response('Not found.\n', { status: 404 });
    const fields = new Headers({ 'passerelle-door': KEY });
    if (request.headers.get('upgrade') === 'websocket') {
      for (const name of WEBSOCKET_FIELDS) {
        const value = request.headers.get(name);
        if (value !== null) fields.set(name, value);
      }
      return fetch(url, { headers: fields });
    }
    const body = request.method === 'POST' ? await request.arrayBuffer() : undefined;
    const answer = await fetch(url, { method: request.method, headers: fields, body, redirect: 'manual' });
    const told = new Headers();
    for (const name of ANSWER_FIELDS) {
      const value = answer.headers.get(name);
      if (value !== null) told.set(name, value);
    }
    return new Response(answer.body, { status: answer.status, headers: told });
  },
};
