/** Makes the sound of links that look like calls: a room's faint noise. Nobody ever hears it, and no microphone is
 * opened. */

const SAMPLES_PER_S = 48_000;
/** One packet of Opus holds so much. */
const BLOCK_MS = 20;
/** The largest sample. */
const LOUDNESS = 0.008;
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
}

/** Make a sound until its connection ends. */
export function hum({ samples, readable, writable }: SoundStreams): void {
  readable.pipeTo(writable).catch(() => {});
  void write(samples);
}

async function write(samples: WritableStream<AudioData>): Promise<void> {
  const writer = samples.getWriter();
  const count = (SAMPLES_PER_S * BLOCK_MS) / 1_000;
  const noise = Float32Array.from({ length: 50 * count }, () => (2 * Math.random() - 1) * LOUDNESS);
  let due_ms = performance.now();
  try {
    for (let time_us = 0; ; time_us += BLOCK_MS * 1_000) {
      const now_ms = performance.now();
      if (now_ms - due_ms > BEHIND_MS) due_ms = now_ms;
      const at = Math.floor(Math.random() * (noise.length - count));
      const block = new AudioData({
        format: 'f32',
        sampleRate: SAMPLES_PER_S,
        numberOfFrames: count,
        numberOfChannels: 1,
        timestamp: time_us,
        data: noise.slice(at, at + count),
      });
      await writer.write(block);
      due_ms += BLOCK_MS;
      const wait_ms = due_ms - performance.now();
      if (wait_ms > 0) await new Promise((resolve) => setTimeout(resolve, wait_ms));
    }
  } catch {
    // The track has ended with its PeerConnection.
  }
}
