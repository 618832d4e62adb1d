/** Every sentence a visitor reads. */

import type { Reason } from '../core/fault';
import type { Snapshot, Totals } from '../core/store';

export const WORDS = {
  title: 'Be a bridge to the open web',
  lead: 'Some countries block much of the web. With one switch, this page lets people there browse through your browser.',
  consent: 'Before you turn it on',
  points: [
    [
      'What it does.',
      'While it is on, people in countries with censorship browse through this browser.',
    ],
    [
      'Where pages leave from.',
      'From the operator’s server, never from your address. You cannot see what people read; it is encrypted.',
    ],
    [
      'Who sees your IP address.',
      'The people you help, the operator, and the STUN server that helps browsers find each other. The sites they visit do not.',
    ],
    ['What it costs.', 'Some of your bandwidth.'],
    ['Stop any time.', 'Turn the switch off or close this page: it ends within two seconds.'],
  ],
  remember: 'Remember my choice on this site',
  agree: 'Turn on',
  refuse: 'Not now',
} as const;

const PROBLEMS: Readonly<Record<Reason, string>> = {
  invite: 'This switch is not set up correctly. The site’s owner has to check its network address.',
  insecure: 'This page is not secure (https), so your browser does not allow it to help.',
  no_webrtc: 'WebRTC is missing or turned off in this browser. Turn it on, or try another browser.',
  old_browser: 'This browser is too old to help. Update it, or try another one.',
  script: 'Part of the switch could not be loaded. Check your connection, then try again.',
  worker: 'This page’s security policy does not let the switch start. The site’s owner has to allow it.',
  network_unreachable: 'The network cannot be reached.',
  network_signature: 'The network could not be verified: its description is not signed by the right key. Nothing was connected.',
  network_format: 'The network’s description cannot be read. Reload the page; if this stays, tell the site’s owner.',
  network_expired: 'The network’s description has expired. Check your computer’s date; if it is right, tell the site’s owner.',
  broker_unreachable: 'The network’s broker cannot be reached.',
  broker_garbled: 'The network’s broker sent something that makes no sense.',
  broker_version: 'This switch is out of date. Reload the page.',
  broker_refused: 'The network’s broker does not accept this switch. Reload the page; if this stays, tell the site’s owner.',
  broker_full: 'The network has all the helpers it can use right now.',
  broker_restart: 'The network is restarting.',
  internal: 'Something went wrong in the switch. Try again; if this stays, reload the page.',
};

/** What is going on, in one sentence. */
export function status({ phase, people, reason }: Snapshot): string {
  switch (phase) {
    case 'off':
      return 'Off.';
    case 'consent':
      return 'Off. Please read this first.';
    case 'connecting':
      return 'Connecting…';
    case 'waiting':
      return 'Ready. Waiting for somebody who needs a way out.';
    case 'helping':
      return people === 1 ? 'Helping 1 person now.' : `Helping ${people} people now.`;
    case 'stopping':
      return 'Turning off…';
    case 'retrying':
    case 'problem':
      return PROBLEMS[reason ?? 'internal'];
  }
}

/** When the next try is. */
export function retry(seconds: number): string {
  return seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again…';
}

/** What was done since the page was loaded; empty when nothing was. */
export function totals({ people, bytes }: Totals): string {
  if (people === 0) return '';
  const who = people === 1 ? '1 person' : `${people} people`;
  return `Since you opened this page: ${who} helped, ${size(bytes)} carried.`;
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

function size(bytes: number): string {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return new Intl.NumberFormat('en', {
    style: 'unit',
    unit: UNITS[step] ?? 'byte',
    maximumSignificantDigits: 3,
  }).format(bytes / 1000 ** step);
}
