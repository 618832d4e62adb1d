/** Makes the sound of links that look like calls. Nobody ever hears it, and no microphone is opened. */

import { lateness_ms, type Look } from '../../core/traffic/scene';
import { BLOCK, SAMPLES_PER_S, Voice } from '../../core/traffic/voice';

/** One packet of Opus holds so much. */
const BLOCK_MS = (1_000 * BLOCK) / SAMPLES_PER_S;
/** Sound that was due longer ago is left out. */
const BEHIND_MS = 200;

/** The streams of one sound. */
export interface SoundStreams {
  /** Takes the samples. */
  readonly samples: WritableStream<AudioData>;
  /** Encoded frames as the encoder made them. */
  readonly readable: ReadableStream<unknown>;
  /** Encoded frames as they are sent. */
  readonly writable: WritableStream<unknown>;
  /** How the call looks and sounds. */
  readonly look: Look;
}

/** Make a sound until its connection ends. */
export function hum({ samples, readable, writable, look }: SoundStreams): void {
  readable.pipeTo(writable).catch(() => {});
  void write(samples, look);
}

async function write(samples: WritableStream<AudioData>, look: Look): Promise<void> {
  const writer = samples.getWriter();
  const voice = new Voice(Math.random, look.talk);
  let due_ms = performance.now();
  try {
    for (let time_us = 0; ; time_us += BLOCK_MS * 1_000) {
      const now_ms = performance.now();
      if (now_ms - due_ms > BEHIND_MS) due_ms = now_ms;
      const block = new AudioData({
        format: 'f32',
        sampleRate: SAMPLES_PER_S,
        numberOfFrames: BLOCK,
        numberOfChannels: 1,
        timestamp: time_us,
        data: voice.nextBlock(),
      });
      await writer.write(block);
      due_ms += BLOCK_MS;
      const wait_ms = due_ms - performance.now() + lateness_ms(look, Math.random);
      if (wait_ms > 0) await new Promise((resolve) => setTimeout(resolve, wait_ms));
    }
  } catch {
    // The track has ended with its PeerConnection.
  }
}
