/** Finds the class of this browser's NAT: asks two STUN servers what address they see. */

import { classify, type Mapping } from '../../core/addresses/nat';
import type { NatClass } from '../../core/wire/signalling';

/** A server that has not answered after this time counts as silent. */
const ANSWER_MS = 3_000;

/** Return the class of this browser's NAT. Asking ends when the signal aborts. The promise never rejects. */
export async function findNatClass(stun: readonly string[], signal: AbortSignal): Promise<NatClass> {
  if (stun.length < 2 || signal.aborted) return 'unknown';
  let connection: RTCPeerConnection | undefined;
  const close = () => connection?.close();
  try {
    connection = new RTCPeerConnection({ iceServers: stun.map((urls) => ({ urls })) });
    signal.addEventListener('abort', close);
    const mappings: Mapping[] = [];
    const gathered = gathering(connection, mappings, signal);
    connection.createDataChannel('');
    await connection.setLocalDescription();
    const isComplete = await gathered;
    if (signal.aborted) return 'unknown';
    return classify(mappings, { isComplete, isByServer: CSS.supports('-moz-appearance', 'none') });
  } catch {
    return 'unknown';
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}

/** Collect mappings. Resolves to whether gathering came to its end in time. */
function gathering(
  connection: RTCPeerConnection,
  mappings: Mapping[],
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ANSWER_MS);
    const settle = (isComplete: boolean) => {
      clearTimeout(timer);
      resolve(isComplete);
    };
    signal.addEventListener('abort', () => settle(false), { once: true });
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.type === 'srflx') {
        const { foundation, address, port } = candidate;
        mappings.push({ foundation: foundation ?? '', address: address ?? '', port: port ?? 0 });
      }
    };
    connection.onicegatheringstatechange = () => {
      if (connection.iceGatheringState === 'complete') settle(true);
    };
  });
}
