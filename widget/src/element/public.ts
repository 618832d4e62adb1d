/** The types of what a page may use of `<passerelle-switch>`. The build copies this file to `passerelle.d.ts`.
 *
 * It imports nothing, so that a page can use it alone. The element implements these types, so the compiler
 * notices when they and the widget's own types differ.
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
  | 'framed'
  | 'covered'
  | 'no_webrtc'
  | 'old_browser'
  | 'script'
  | 'policy'
  | 'network_unreachable'
  | 'network_signature'
  | 'network_format'
  | 'network_expired'
  | 'exit_unreachable'
  | 'exit_garbled'
  | 'too_slow'
  | 'broker_unreachable'
  | 'broker_garbled'
  | 'broker_version'
  | 'broker_refused'
  | 'broker_full'
  | 'broker_restart'
  | 'internal';

export type PasserellePause = 'quota' | 'hours' | 'battery' | 'metered' | 'hidden';

/** Measured counts of what was given. */
export interface PasserelleCounts {
  /** People helped. */
  readonly people: number;
  /** Bytes carried, both directions together. */
  readonly bytes: number;
  /** Seconds in which somebody could be helped. */
  readonly seconds: number;
}

/** The state of the switch, as a frozen object. Each change makes a new object. */
export interface PasserelleSnapshot {
  readonly phase: PasserellePhase;
  /** People helped right now. */
  readonly people: number;
  /** The country of each person being helped (two letters, or null for unknown), the newest last. */
  readonly crossing: readonly (string | null)[];
  /** Where the broker believes this browser is; null for unknown. */
  readonly country: string | null;
  /** Why the switch cannot help, or null. */
  readonly reason: PasserelleReason | null;
  /** Why the switch pauses, or null. */
  readonly paused: PasserellePause | null;
  /** Seconds until the next try, counted from the moment of this snapshot. */
  readonly retry_s: number | null;
  /** Whether another tab of this site runs the relay. */
  readonly elsewhere: boolean;
  /** Whom this device can help, as far as its network tells; null while that is not known. */
  readonly reach: 'everybody' | 'some' | 'nobody' | null;
  /** How many readers had to wait for a volunteer lately, as the broker rounds it; null where it does not tell. */
  readonly demand: 'many' | 'some' | 'nobody' | null;
  /** Links that came to nothing since the switch was turned on. They are no people helped. */
  readonly failed: number;
  /** When somebody was helped last, in Unix seconds; null if nobody was since the switch was turned on. */
  readonly helped_at_s: number | null;
  /** Since when nobody is helped although somebody could be, in Unix seconds; null otherwise. */
  readonly waits_since_s: number | null;
  /** How fast this device's connection is, in Mbit/s with one digit, from the network's server and to it. A test before
   * the first start measures it. `up_mbit` is null where the other way is too slow already. `isSmall` says that it was a small test, because data is dear here. Null while that is
   * not known. */
  readonly rates: { readonly down_mbit: number; readonly up_mbit: number | null; readonly isSmall: boolean } | null;
  /** Why that cannot be found out: the visitor's limits leave no room for a test, or no server answered it. */
  readonly untested: 'limits' | 'silent' | null;
  /** Counts since this page was loaded. */
  readonly totals: PasserelleCounts;
  /** Counts of today, on this site. */
  readonly today: PasserelleCounts;
  /** Counts of all days, on this site. */
  readonly ever: PasserelleCounts;
}

export interface PasserelleSwitchElement extends HTMLElement {
  /** The network's invite. */
  network: string;
  layout: 'panel' | 'inline' | 'banner' | 'floating';
  theme: 'auto' | 'light' | 'dark';
  /** People helped at once. Like the next three, it is the setting in force: the visitor's choice, else the
   * attribute, else the default. */
  readonly people: number;
  /** Links of one person. */
  readonly lanes: number;
  /** 10⁶ bits a second; Infinity for no limit. */
  readonly mbit: number;
  /** 10⁶ bytes a day; Infinity for no limit. */
  readonly megabytes: number;
  /** The state now. */
  readonly snapshot: PasserelleSnapshot;
  /** Do what a press on the switch does while it is off: ask the visitor, unless they agreed before. */
  start(): void;
  /** Take a text from a person who reaches no server, and resolve to the text to send back.
   *
   * The switch must be on, and this tab must run the relay. Rejects with an Error whose `reason` is `off`,
   * `text`, `refused` or `timeout`.
   */
  helpFriend(text: string): Promise<string>;
  /** Turn off in all tabs of the site. Everything is closed within 1.5 s. */
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
