/** Decides which of a peer's ICE candidates this browser's WebRTC stack may be given.
 *
 * A WebRTC stack sends packets to every candidate. So a candidate is left out unless it can be a
 * stranger's own public address. The broker does the same in Python, and knows more about the peer.
 */

import { CANDIDATE_PORTS } from '../limits';
import type { Candidate, Description } from '../wire/description';

/** Lower ports belong to system services, which might answer. No WebRTC stack and no NAT uses them. */
const FIRST_PORT = 1024;

/** Who may use an address: everybody, networks in laboratories only, or nobody. */
type Kind = 'public' | 'laboratory' | 'never';
type Range = readonly [prefix: string, bits: number];

/** The first range that holds an address decides, as in Python. The addresses of cloud metadata services
 * come first, so that no later range admits them. */
const RANGES: Readonly<Record<'4' | '6', readonly (readonly [Kind, readonly Range[]])[]>> = {
  4: [
    [
      'never',
      [
        ['169.254.169.254', 32],
        ['169.254.169.253', 32],
        ['169.254.170.2', 32],
        ['169.254.170.23', 32],
        ['169.254.42.42', 32],
        ['100.100.100.200', 32],
        ['168.63.129.16', 32],
        ['0.0.0.0', 8],
        ['192.0.0.0', 24],
        ['192.88.99.0', 24],
        ['224.0.0.0', 3],
      ],
    ],
    [
      'laboratory',
      [
        ['10.0.0.0', 8],
        ['100.64.0.0', 10],
        ['127.0.0.0', 8],
        ['169.254.0.0', 16],
        ['172.16.0.0', 12],
        ['192.168.0.0', 16],
        ['192.0.2.0', 24],
        ['198.18.0.0', 15],
        ['198.51.100.0', 24],
        ['203.0.113.0', 24],
      ],
    ],
    ['public', [['0.0.0.0', 0]]],
  ],
  6: [
    [
      'never',
      [
        ['fd00:ec2::254', 128],
        ['fd00:ec2::253', 128],
        ['fd00:ec2::23', 128],
        ['fd20:ce::254', 128],
        ['fd00:42::42', 128],
        ['2001::', 32],
        ['2002::', 16],
      ],
    ],
    [
      'laboratory',
      [
        ['::1', 128],
        ['2001:2::', 48],
        ['2001:db8::', 32],
        ['3fff::', 20],
        ['fc00::', 7],
        ['fe80::', 10],
      ],
    ],
    ['never', [['2001::', 23]]],
    ['public', [['2000::', 3]]],
  ],
};

/** Return `description` with only the candidates that may be used, in their order.
 *
 * `isLaboratory` also admits private addresses. `known` holds the addresses of the peer that a broker
 * vetted before; when it is given, other addresses are left out. It is for descriptions that a peer
 * sends over a link, past the broker.
 */
export function vet(
  description: Description,
  isLaboratory: boolean,
  known?: ReadonlySet<string>,
): Description {
  const ports = new Map<string, number>();
  const repeats = new Set<string>();
  const candidates = description.candidates.filter((candidate) => {
    const [, ip, port] = candidate;
    if (known && !known.has(ip)) return false;
    const name = candidate.join(' ');
    if (repeats.has(name) || port < FIRST_PORT) return false;
    repeats.add(name);
    const kind = kindOf(ip);
    if (kind !== 'public' && !(isLaboratory && kind === 'laboratory')) return false;
    ports.set(ip, (ports.get(ip) ?? 0) + 1);
    return (ports.get(ip) ?? 0) <= CANDIDATE_PORTS;
  });
  return Object.freeze({ ...description, candidates: Object.freeze(candidates) });
}

/** Return who may use the canonical IP address `ip`. */
function kindOf(ip: Candidate[1]): Kind {
  const value = bitsOf(ip);
  const rows = RANGES[ip.includes(':') ? 6 : 4];
  const row = rows.find(([, ranges]) =>
    ranges.some(([prefix, bits]) => value.startsWith(bitsOf(prefix).slice(0, bits))),
  );
  return row?.[0] ?? 'never';
}

/** Return the address as text of 32 or 128 binary digits. */
function bitsOf(ip: string): string {
  if (!ip.includes(':')) return digits(ip.split('.'), 10, 8);
  const [head = '', tail] = ip.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail?.split(':').filter(Boolean) ?? [];
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return digits([...left, ...zeros, ...right], 16, 16);
}

function digits(parts: readonly string[], base: number, width: number): string {
  return parts.map((part) => Number.parseInt(part, base).toString(2).padStart(width, '0')).join('');
}
