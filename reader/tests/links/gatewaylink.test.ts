import { expect, test } from 'vitest';
import { GATEWAY_REQUESTS } from '../../src/limits';
import { GatewayLink, type OpenRequest } from '../../src/links/gatewaylink';
import type { LinkConnection } from '../../src/links/connection';
import { encodeReset } from '../../src/wire/gatewayframes';

test('requests beyond what a gateway takes at once wait for others to end', () => {
  const channel = { onmessage: (_event: { data: ArrayBuffer }) => {}, send() {} };
  const link = new GatewayLink({ channel, over: new AbortController().signal, close() {} } as unknown as LinkConnection);
  const sent: number[] = [];
  const failed: number[] = [];
  const ask = (number: number): OpenRequest =>
    link.request(new Uint8Array(9), { sent: () => sent.push(number), bytes() {}, failed: () => failed.push(number) });
  const open = Array.from({ length: GATEWAY_REQUESTS + 3 }, (_, index) => ask(index + 1));
  expect(sent).toHaveLength(GATEWAY_REQUESTS);
  expect(link.busy).toBe(GATEWAY_REQUESTS + 3);
  open[GATEWAY_REQUESTS]!.cancel();
  expect(sent).toHaveLength(GATEWAY_REQUESTS);
  open[0]!.cancel();
  expect(sent.slice(GATEWAY_REQUESTS)).toEqual([GATEWAY_REQUESTS + 2]);
  channel.onmessage({ data: encodeReset(2, 'limit').buffer });
  expect(sent.slice(GATEWAY_REQUESTS)).toEqual([GATEWAY_REQUESTS + 2, GATEWAY_REQUESTS + 3]);
  expect(failed).toEqual([2]);
});
