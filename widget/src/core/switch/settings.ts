/** Settings: what the visitor gives, and when. The visitor's own choices go before the page's attributes.
 *
 * A value that makes no sense counts as not given.
 */

import { LANES, SLOTS } from '../limits';

/** Bytes of one megabyte in a setting. */
export const MEGABYTE = 1e6;
/** The lowest rate that may be set. */
export const SLOWEST_MBIT = 0.1;
/** People helped at once when nobody set a number. */
const PEOPLE = 5;

/** A span of each day, in minutes after midnight by the visitor's clock. It goes over midnight when `from`
 * is not earlier than `to`; when they are the same it is the whole day. */
export interface Hours {
  readonly from: number;
  readonly to: number;
}

export interface SwitchSettings {
  /** People helped at once, at most. */
  readonly people: number;
  /** Links of one person at once, at most. */
  readonly lanes: number;
  /** 10⁶ bits relayed a second, at most; Infinity for no limit. */
  readonly mbit: number;
  /** 10⁶ bytes carried a day, at most; Infinity for no limit. */
  readonly megabytes: number;
  /** The hours in which to help; null for always. */
  readonly hours: Hours | null;
  /** Whether to help while the machine runs on its battery. */
  readonly battery: boolean;
  /** Whether to help on a metered connection, or when the visitor asks to save data. */
  readonly metered: boolean;
  /** Whether to help while no tab of the site is visible. */
  readonly background: boolean;
  /** The token of the only family that is helped; '' to help everybody. The visitor alone can choose it. */
  readonly family: string;
}

/** Returns the text of the setting `name`, as an attribute or a stored choice holds it. */
export type SettingSource = (name: string) => string | null | undefined;

/** The names of all settings, which are also names of attributes. */
export const SETTINGS = [
  'people',
  'lanes',
  'mbit',
  'megabytes',
  'hours',
  'battery',
  'metered',
  'background',
  'family',
] as const;

/** Read each setting from the first of `sources` whose value makes sense. */
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
    // A page's tag is public, so only the first source, the visitor, may name a family.
    family: sources[0]?.('family') ?? '',
  });
}

const whole = (most: number) => (text: string) => {
  const value = Number.parseInt(text, 10);
  return value >= 1 ? Math.min(value, most) : undefined;
};

/** The text `none` removes a limit that the page set. */
const amount = (least: number) => (text: string) => {
  const value = text === 'none' ? Infinity : Number.parseFloat(text);
  return Number.isNaN(value) ? undefined : Math.max(value, least);
};

/** Whether to go on (`run`) or to stop for a while (`pause`). */
const going = (text: string) => ({ run: true, pause: false })[text as 'run'];

/** Read hours such as `22:00-06:30`. The text `always` removes the hours that the page set. */
function hours(text: string): Hours | null | undefined {
  if (text === 'always') return null;
  const found = /^(\d\d?):(\d\d)\s*[-–]\s*(\d\d?):(\d\d)$/.exec(text)?.slice(1).map(Number);
  if (!found) return undefined;
  const [h1 = 0, m1 = 0, h2 = 0, m2 = 0] = found;
  if (h1 > 24 || h2 > 24 || m1 > 59 || m2 > 59) return undefined;
  return Object.freeze({ from: h1 * 60 + m1, to: h2 * 60 + m2 });
}

/** Write a time of day, in minutes after midnight, as `hours` has it. */
export const clock = (minutes: number): string =>
  [Math.floor(minutes / 60) % 24, minutes % 60].map((part) => String(part).padStart(2, '0')).join(':');

/** Reasons why a switch that is on does nothing for a while. It goes on by itself afterwards. */
export const PAUSES = ['quota', 'hours', 'battery', 'metered', 'hidden'] as const;

export type PauseReason = (typeof PAUSES)[number];

/** What is going on around the page. The settings say which of it is a reason to pause. */
export interface Conditions {
  /** The time of day, in minutes after midnight. */
  readonly minute: number;
  /** Whether the machine runs on its battery. */
  readonly battery: boolean;
  /** Whether the connection is metered, or the visitor asks to save data. */
  readonly metered: boolean;
  /** Whether no tab of the site is visible. */
  readonly hidden: boolean;
  /** Bytes carried today. */
  readonly bytes: number;
}

/** Return the reason to pause now; null when there is none. */
export function pauseReason(settings: SwitchSettings, now: Conditions): PauseReason | null {
  if (now.bytes >= settings.megabytes * MEGABYTE) return 'quota';
  if (settings.hours && !within(settings.hours, now.minute)) return 'hours';
  if (now.battery && !settings.battery) return 'battery';
  if (now.metered && !settings.metered) return 'metered';
  return now.hidden && !settings.background ? 'hidden' : null;
}

function within({ from, to }: Hours, minute: number): boolean {
  return from < to ? from <= minute && minute < to : minute >= from || minute < to;
}
