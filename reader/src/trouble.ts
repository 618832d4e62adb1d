/** Why reading does not go on. Each has its sentence in `words/LANGUAGE.json`. */

import { reasonOf } from '../../widget/src/core/errors';

export const TROUBLES = [
  'no_webrtc',
  'old_browser',
  'insecure',
  'altered',
  'network_unreachable',
  'network_signature',
  'network_format',
  'network_expired',
  'broker_unreachable',
  'broker_garbled',
  'broker_version',
  'broker_full',
  'no_volunteer',
  'no_link',
  'clock',
  'site_silent',
  'cut',
  'empty',
  'large',
  'circle',
  'certificate',
  'quota',
  'outside',
  'worker',
  'internal',
] as const;

export type Trouble = (typeof TROUBLES)[number];

/** Reading does not go on, and the reader is told why. */
export class ReadingProblem extends Error {
  constructor(readonly reason: Trouble) {
    super(reason);
  }
}

/** Return the trouble that an error of any kind means. What the page calls of the widget has reasons of this list only. */
export const troubleOf = (error: unknown): Trouble => reasonOf(error) as Trouble;
