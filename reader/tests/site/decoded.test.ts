import { gzipSync, deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decoded } from '../../src/site/decoded';
import type { Header } from '../../src/site/answer';
import { Chance } from '../chance';

function body(...pieces: Uint8Array[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream(
    {
      pull(controller) {
        const piece = pieces[at++];
        if (piece) controller.enqueue(new Uint8Array(piece));
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

const said = (...values: string[]) => values.map((value): Header => ['content-encoding', value]);

test.each([
  [[], (data: Uint8Array) => data],
  [['identity'], (data: Uint8Array) => data],
  [['GZip'], gzipSync],
  [['identity', 'deflate'], deflateSync],
])('content that is %j comes as it was', async (names, pack) => {
  const data = new Chance(1).bytes(9_000);
  const whole = decoded(body(...new Chance(2).cut(pack(data), 5000)), said(...(names as string[])));
  expect(await new Response(whole!.body).bytes()).toEqual(data);
});

test.each([['br'], ['gzip, gzip'], ['gzip', 'gzip'], ['constructor'], ['gzip gzip']])('%s is not shown', (...names) => {
  expect(decoded(body(), said(...names))).toBeNull();
});

test('what does not unpack is an error, and never something else', async () => {
  const chance = new Chance(3);
  const data = chance.bytes(3000);
  const packed = gzipSync(data);
  let failed = 0;
  for (let round = 0; round < 50; round++) {
    const whole = decoded(body(chance.spoil(packed)), said('gzip'))!;
    const found = await new Response(whole.body).bytes().catch(() => null);
    if (found) expect(found).toEqual(data);
    else failed += 1;
  }
  expect(failed).toBeGreaterThan(30);
});
