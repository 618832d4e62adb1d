/** Finds out how fast bytes pass between this device and an exit, each way by itself. */

import { closeCode, PeerError } from '../core/errors';
import { RATE_TEST_MESSAGE_BYTES } from '../core/limits';
import { RateMeter } from '../core/traffic/ratemeter';
import { isSmallTest, measured, speedOf, type Rates } from '../core/switch/speed';
import { down, got, readGot } from '../core/wire/ratetest';
import { SocketEnd } from './link/pipe';

/** The longest time of a test. */
const TEST_MS = 5_000;
/** The longest time for each way. */
const WAY_MS = 1_500;

const now_s = () => performance.now() / 1000;

export interface RateTestEvents {
  /** The test is over. `rates` is null when the exit did not answer, or not as it should. This event comes once. */
  over(rates: Rates | null): void;
  /** The exit does not let the WebSocket end. */
  stuck(): void;
}

/** One test. It begins when it is made. */
export class RateTest {
  readonly #socket: WebSocket;
  readonly #end: SocketEnd;
  readonly #events: RateTestEvents;
  /** Bytes to move each way. */
  readonly #most: number;
  readonly #filling = crypto.getRandomValues(new Uint8Array(RATE_TEST_MESSAGE_BYTES));
  readonly #timer: ReturnType<typeof setTimeout>;
  #wayTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether all that was still to come down is waited for. */
  #isDraining = false;
  /** Measures what comes from the exit, while that is under way. */
  #down: RateMeter | null = null;
  #down_mbit: number | null = null;
  /** Measures what the exit got, while that is under way. */
  #up: RateMeter | null = null;
  #received = 0;
  #sent = 0;
  #isOver = false;

  /** Throws when the browser allows no WebSocket to `url`. */
  constructor(url: string, ticket: string, most: number, events: RateTestEvents) {
    this.#most = most;
    this.#events = events;
    const socket = new WebSocket(url, ['passerelle.v1', ticket]);
    this.#socket = socket;
    this.#end = new SocketEnd(socket, () => events.stuck());
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#begin();
    socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#take(data);
    // Chromium says of a socket that the page's policy forbids that it failed, and not that it closed.
    socket.onerror = socket.onclose = () => {
      this.#end.ended();
      this.#finish(null);
    };
    this.#timer = setTimeout(() => this.#endUp(), TEST_MS);
  }

  /** Bytes that came and went, those included that may still be on their way. */
  get moved_bytes(): number {
    return this.#received + this.#sent;
  }

  /** Break the test off. `over` does not come any more. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#close(closeCode('normal'));
  }

  #begin(): void {
    if (this.#isOver) return;
    this.#down = new RateMeter(now_s());
    this.#socket.send(down(this.#most));
    this.#wayTimer = setTimeout(() => this.#endDown(), WAY_MS);
  }

  #take(data: unknown): void {
    if (this.#isOver) return;
    try {
      if (typeof data === 'string') this.#hear(readGot(data));
      else this.#receive((data as ArrayBuffer).byteLength);
    } catch (error) {
      this.#finish(null, closeCode(error instanceof PeerError ? error.code : 'internal'));
    }
  }

  #receive(bytes: number): void {
    this.#received += bytes;
    if (this.#received > this.#most) throw new PeerError('limit', 'more bytes than asked for');
    if (!this.#down) return;
    this.#down.take(this.#received, now_s());
    this.#socket.send(got(this.#received));
    if (this.#received === this.#most) this.#endDown();
  }

  #endDown(): void {
    clearTimeout(this.#wayTimer);
    this.#down_mbit = this.#down?.mbit(now_s()) ?? null;
    this.#down = null;
    if (this.#down_mbit === null) return this.#finish(null);
    const rates = measured(this.#down_mbit, null, isSmallTest(this.#most));
    if (speedOf(rates) === 'slow') return this.#finish(rates);
    if (this.#received === this.#most) return this.#beginUp();
    // The answer to an empty message comes behind all that was still to come down.
    this.#isDraining = true;
    this.#socket.send(new Uint8Array(0));
  }

  #beginUp(): void {
    this.#up = new RateMeter(now_s());
    this.#wayTimer = setTimeout(() => this.#endUp(), WAY_MS);
    this.#send(this.#up);
  }

  #hear(bytes: number): void {
    if (this.#isDraining && bytes === 0) {
      this.#isDraining = false;
      return this.#beginUp();
    }
    if (!this.#up || bytes < this.#up.bytes || bytes > this.#sent) throw new PeerError('malformed', 'not sent');
    this.#up.take(bytes, now_s());
    if (bytes === this.#most) this.#endUp();
    else this.#send(this.#up);
  }

  /** Send what may be on its way. */
  #send(up: RateMeter): void {
    while (this.#sent < this.#most && this.#sent - up.bytes < up.allowance(now_s())) {
      const size = Math.min(this.#filling.length, this.#most - this.#sent);
      this.#sent += size;
      this.#socket.send(this.#filling.subarray(0, size));
    }
  }

  #endUp(): void {
    const down_mbit = this.#down_mbit;
    const up_mbit = this.#up?.mbit(now_s()) ?? null;
    const isKnown = down_mbit !== null && up_mbit !== null;
    this.#finish(isKnown ? measured(down_mbit, up_mbit, isSmallTest(this.#most)) : null);
  }

  #finish(rates: Rates | null, code = closeCode('normal')): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#close(code);
    this.#events.over(rates);
  }

  #close(code: number): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#wayTimer);
    this.#end.close(code);
  }
}
