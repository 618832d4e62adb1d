/** The page's part of the sound of a link that looks like a call: a track of faint noise. No microphone is asked
 * for.
 *
 * In Chromium the Worker makes the sound, in other browsers Web Audio does. Web Audio needs a page on which
 * somebody has clicked: after a stored yes there may have been no click, and then no call is taken part in.
 */

const SECONDS = 2;
const LOUDNESS = 0.008;

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

/** Return a new sound; null where the browser allows none. */
export function makeSound(): Sound | null {
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
  const noise = context.createBuffer(1, SECONDS * context.sampleRate, context.sampleRate);
  const samples = noise.getChannelData(0);
  for (let at = 0; at < samples.length; at += 1) samples[at] = (2 * Math.random() - 1) * LOUDNESS;
  const source = new AudioBufferSourceNode(context, { buffer: noise, loop: true });
  source.connect(output);
  source.start();
  return { track, samples: null, stop: () => void context.close() };
}
