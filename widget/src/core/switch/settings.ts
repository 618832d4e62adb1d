/** What a visitor gives, and when: the page's attributes, with the visitor's own choices over them.
 *
 * Pure. A value that makes no sense counts as not given.
 */

import { LANES, SLOTS } from '../limits';

const SLOWEST_MBIT = 0.1;
const PEOPLE = 5;

/** Minutes after midnight, of the visitor's clock; over midnight where `from` is the later one. */
export interface Hours {
  readonly from: number;
  readonly to: number;
}

export interface SwitchSettings {
  /** People helped at once, at most. */
  readonly people: number;
  /** Links of one person at once, at most. */
  readonly lanes: number;
  /** 10⁶ bits relayed a second, at most; Infinity where no limit is set. */
  readonly mbit: number;
  /** 10⁶ bytes carried a day, at most; Infinity where no limit is set. */
  readonly megabytes: number;
  /** When to help; null for always. */
  readonly hours: Hours | null;
  /** Whether to go on while on battery … */
  readonly battery: boolean;
  /** … on a connection that is metered, or that the visitor asks to spare … */
  readonly metered: boolean;
  /** … and while no tab of the site is visible. */
  readonly background: boolean;
}

/** Where a setting's text comes from: an attribute, or a choice that was kept. */
export type SettingSource = (name: string) => string | null | undefined;

/** Names of all settings, as attributes. */
export const SETTINGS = [
  'people',
  'lanes',
  'mbit',
  'megabytes',
  'hours',
  'battery',
  'metered',
  'background',
] as const;

/** Read each setting from the first of `sources` that has a value which makes sense. */
export function readSettings(...sources: readonly SettingSource[]): SwitchSettings {
  const first = <T>(name: (typeof SETTINGS)[number], read: (text: string) => T | undefined, usual: T): T => {
    for (const source of sources) {
      const text = source(name);
      const value = text == null ? undefined : read(text.trim());
      if (value !== undefined) return value;
    }
    return usual;
  };
  return Object.freeze({
    people: first('people', whole(SLOTS), PEOPLE),
    lanes: first('lanes', whole(LANES), LANES),
    mbit: first('mbit', amount(SLOWEST_MBIT), Infinity),
    megabytes: first('megabytes', amount(1), Infinity),
    hours: first('hours', hours, null),
    battery: first('battery', going, false),
    metered: first('metered', going, false),
    background: first('background', going, true),
  });
}

const whole = (most: number) => (text: string) => {
  const value = Number.parseInt(text, 10);
  return value >= 1 ? Math.min(value, most) : undefined;
};

/** `none` takes a limit away that the page set. */
const amount = (least: number) => (text: string) => {
  const value = text === 'none' ? Infinity : Number.parseFloat(text);
  return Number.isNaN(value) ? undefined : Math.max(value, least);
};

const going = (text: string) => ({ run: true, pause: false })[text as 'run'];

/** Read `22:00-06:30`; `always` takes away what the page set. */
function hours(text: string): Hours | null | undefined {
  if (text === 'always') return null;
  const found = /^(\d\d?):(\d\d)\s*[-–]\s*(\d\d?):(\d\d)$/.exec(text)?.slice(1).map(Number);
  if (!found) return undefined;
  const [h1 = 0, m1 = 0, h2 = 0, m2 = 0] = found;
  if (h1 > 24 || h2 > 24 || m1 > 59 || m2 > 59) return undefined;
  return Object.freeze({ from: h1 * 60 + m1, to: h2 * 60 + m2 });
}

/** Why a switch that is on does nothing for a while; it goes on by itself. */
export const PAUSES = ['quota', 'hours', 'battery', 'metered', 'hidden'] as const;

export type PauseReason = (typeof PAUSES)[number];

/** What settings are held against. */
export interface Conditions {
  /** Minutes after midnight. */
  readonly minute: number;
  readonly battery: boolean;
  readonly metered: boolean;
  readonly hidden: boolean;
  /** Bytes carried today. */
  readonly bytes: number;
}

/** Return why to pause now, or null. */
export function pauseReason(wanted: SwitchSettings, now: Conditions): PauseReason | null {
  if (now.bytes >= wanted.megabytes * 1e6) return 'quota';
  if (wanted.hours && !within(wanted.hours, now.minute)) return 'hours';
  if (now.battery && !wanted.battery) return 'battery';
  if (now.metered && !wanted.metered) return 'metered';
  return now.hidden && !wanted.background ? 'hidden' : null;
}

function within({ from, to }: Hours, minute: number): boolean {
  return from <= to ? from <= minute && minute < to : minute >= from || minute < to;
}
