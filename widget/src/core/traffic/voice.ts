/** A sound like somebody's voice in a room, for calls in which nobody speaks.
 *
 * Opus makes packets as long as the sound is rich: a steady noise would show by packets of one length. So there are
 * syllables, gaps between them, and pauses of some seconds in which only the room is heard. The room's noise
 * changes all the time, too.
 * `src/passerelle/core/media/voice.py` is the client's half. Nobody ever listens.
 */

export const SAMPLES_PER_S = 48_000;
/** Samples in one packet of Opus, which holds 20 ms. */
export const BLOCK = 960;
const SYLLABLE = 6 * BLOCK;
const SYLLABLES = 16;
/** Amplitudes of voices, and of rooms. */
const LOUD = [0.09, 0.28] as const;
const QUIET = [0.0001, 0.0012] as const;
const LOWEST_HZ = 250;
const SPAN_HZ = 2_250;
/** A syllable swells in that part of its length, and then fades. */
const ATTACK = 2;
/** A hiss is wide, a vowel is narrow: the radius of a resonator's poles. */
const SHARP = [0.93, 0.99] as const;
/** Different noises of the room: a single one, again and again, would show by its one length. */
const ROOMS = 8;
/** The share of syllables left out while somebody speaks. */
const GAP = 0.15;
/** Speech takes turns of so many seconds, times its share of the time; pauses take the rest. */
const LEAST_TURN_S = 1;
const TURN_SPAN_S = 11;

export class Voice {
  readonly #chance: () => number;
  readonly #talk: number;
  readonly #loud: number;
  readonly #syllables: readonly Float32Array<ArrayBuffer>[];
  readonly #rooms: readonly Float32Array<ArrayBuffer>[];
  #speaks = false;
  /** Syllables until speech and pause take turns. */
  #left = 0;
  #sound = new Float32Array();
  #at = 0;

  /** `chance` returns random numbers from 0 up to 1; `talk` is the share of speech in time. */
  constructor(chance: () => number, talk: number) {
    this.#chance = chance;
    this.#talk = talk;
    this.#loud = LOUD[0] + (LOUD[1] - LOUD[0]) * chance();
    this.#syllables = Array.from({ length: SYLLABLES }, () => this.#syllable());
    const quiet = QUIET[0] * (QUIET[1] / QUIET[0]) ** chance();
    this.#rooms = Array.from({ length: ROOMS }, () => this.#hum(quiet));
  }

  /** Return the samples of the next packet. */
  nextBlock(): Float32Array<ArrayBuffer> {
    if (this.#at === 0) this.#sound = this.#nextSound();
    const block = this.#sound.slice(this.#at, this.#at + BLOCK);
    this.#at = (this.#at + BLOCK) % SYLLABLE;
    return block;
  }

  /** Return a sound that swells and fades. */
  #syllable(): Float32Array<ArrayBuffer> {
    const hum = this.#hum(this.#loud * (0.2 + 0.8 * this.#chance()));
    return hum.map((each, at) => Math.min(1, (ATTACK * at) / SYLLABLE) * (1 - at / SYLLABLE) * each);
  }

  /** Return noise around one frequency (a resonator of two poles), of a syllable's length. */
  #hum(loud: number): Float32Array<ArrayBuffer> {
    const angle = (2 * Math.PI * (LOWEST_HZ + SPAN_HZ * this.#chance())) / SAMPLES_PER_S;
    const radius = SHARP[0] + (SHARP[1] - SHARP[0]) * this.#chance();
    const turn = 2 * radius * Math.cos(angle);
    const decay = radius ** 2;
    let [last, before] = [0, 0];
    return Float32Array.from({ length: SYLLABLE }, () => {
      [last, before] = [2 * this.#chance() - 1 + turn * last - decay * before, last];
      return loud * (1 - decay) * last;
    });
  }

  #nextSound(): Float32Array<ArrayBuffer> {
    if (this.#left === 0) {
      this.#speaks = !this.#speaks;
      const share = this.#speaks ? this.#talk : 1 - this.#talk;
      const turn_s = share * (LEAST_TURN_S + TURN_SPAN_S * this.#chance());
      this.#left = Math.ceil((turn_s * SAMPLES_PER_S) / SYLLABLE);
    }
    this.#left -= 1;
    const sounds = this.#speaks && this.#chance() >= GAP ? this.#syllables : this.#rooms;
    return sounds[Math.floor(this.#chance() * sounds.length)] ?? this.#sound;
  }
}
