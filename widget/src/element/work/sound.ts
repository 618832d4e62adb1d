/** The page's part of the sound of a link that looks like a call: a track that no microphone makes.
 *
 * In Chromium the Worker makes the sound, in other browsers Web Audio does. Web Audio needs a page on which
 * somebody has clicked: after a stored yes there may have been no click, and then no call is taken part in.
 */

import { BLOCK, SAMPLES_PER_S, Voice } from '../../core/traffic/voice';

/** Packets until the sound begins again: a minute. */
const BLOCKS = 3_000;

/** Chromium's class, which TypeScript's DOM types lack. */
interface Chromium {
  MediaStreamTrackGenerator?: new (options: { kind: 'audio' }) => MediaStreamTrack & {
    readonly writable: WritableStream<AudioData>;
  };
}

export interface Sound {
  readonly track: MediaStreamTrack;
  /** Takes the samples; null where they come by themselves. */
  readonly samples: WritableStream<AudioData> | null;
  stop(): void;
}

/** Return a new sound in which somebody talks for a share of the time; null where the browser allows none. */
export function makeSound(talk: number): Sound | null {
  const { MediaStreamTrackGenerator: Generator } = globalThis as Chromium;
  if (Generator) {
    const track = new Generator({ kind: 'audio' });
    return { track, samples: track.writable, stop: () => track.stop() };
  }
  // The state of an AudioContext does not tell whether it may run: Firefox calls one suspended where there is no
  // loudspeaker, and runs it.
  if (typeof AudioContext === 'undefined' || !navigator.userActivation.hasBeenActive) return null;
  const context = new AudioContext();
  void context.resume().catch(() => {});
  const output = context.createMediaStreamDestination();
  const [track] = output.stream.getAudioTracks();
  if (!track) return null;
  const buffer = context.createBuffer(1, BLOCKS * BLOCK, SAMPLES_PER_S);
  const voice = new Voice(Math.random, talk);
  for (let at = 0; at < BLOCKS; at += 1) buffer.copyToChannel(voice.nextBlock(), 0, at * BLOCK);
  const source = new AudioBufferSourceNode(context, { buffer, loop: true });
  source.connect(output);
  source.start();
  return { track, samples: null, stop: () => void context.close() };
}
