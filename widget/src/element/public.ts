/** What a page may use of `<passerelle-switch>`; the build makes `passerelle.d.ts` of this file.
 *
 * Self-contained on purpose: the widget's own types are checked against these.
 */

export type PasserellePhase =
  | 'off'
  | 'consent'
  | 'connecting'
  | 'caution'
  | 'waiting'
  | 'helping'
  | 'paused'
  | 'retrying'
  | 'stopping'
  | 'problem';

export type PasserelleReason =
  | 'invite'
  | 'insecure'
  | 'no_webrtc'
  | 'old_browser'
  | 'script'
  | 'worker'
  | 'network_unreachable'
  | 'network_signature'
  | 'network_format'
  | 'network_expired'
  | 'broker_unreachable'
  | 'broker_garbled'
  | 'broker_version'
  | 'broker_refused'
  | 'broker_full'
  | 'broker_restart'
  | 'internal';

export type PasserellePause = 'quota' | 'hours' | 'battery' | 'metered' | 'hidden';

/** What was given; measured. */
export interface PasserelleCounts {
  /** People helped. */
  readonly people: number;
  /** Bytes carried, both ways together. */
  readonly bytes: number;
  /** Seconds in which somebody could be helped. */
  readonly seconds: number;
}

/** What is going on; frozen, and replaced whenever it changes. */
export interface PasserelleSnapshot {
  readonly phase: PasserellePhase;
  /** People helped right now. */
  readonly people: number;
  /** A country (two letters, or null for unknown) for each of them, the newest last. */
  readonly crossing: readonly (string | null)[];
  /** Where this browser seems to be; null for unknown. */
  readonly country: string | null;
  readonly reason: PasserelleReason | null;
  readonly paused: PasserellePause | null;
  /** Seconds until the next try, as of this snapshot. */
  readonly retry_s: number | null;
  /** Whether another tab of this site does the work. */
  readonly elsewhere: boolean;
  /** Since this page was loaded. */
  readonly totals: PasserelleCounts;
  /** Today, on this site. */
  readonly today: PasserelleCounts;
  /** In all, on this site. */
  readonly ever: PasserelleCounts;
}

export interface PasserelleSwitchElement extends HTMLElement {
  /** Invite of the network. */
  network: string;
  layout: 'panel' | 'inline' | 'banner' | 'floating';
  theme: 'auto' | 'light' | 'dark';
  /** Settings in force: the visitor's choices, the attributes, the defaults, in this order. */
  readonly people: number;
  readonly lanes: number;
  /** Infinity where there is no limit. */
  readonly mbit: number;
  /** A day; Infinity where there is no limit. */
  readonly megabytes: number;
  readonly snapshot: PasserelleSnapshot;
  /** As if the visitor pressed the switch that is off: asks them unless they agreed before. */
  start(): void;
  /** Take a text from a person who reaches no server, and return the one to send back.
   *
   * The switch must be on, at work in this tab. Rejects with an Error whose `reason` is `off`,
   * `text`, `refused` or `timeout`.
   */
  helpFriend(text: string): Promise<string>;
  /** Turn off, in all tabs of the site; everything is closed within 1.5 s. */
  stop(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    'passerelle-switch': PasserelleSwitchElement;
  }
  interface HTMLElementEventMap {
    'passerelle-change': CustomEvent<PasserelleSnapshot>;
  }
}
