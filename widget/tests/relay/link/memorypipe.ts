/** A pipe in memory, which records what is sent. */

import type { LinkCode } from '../../../src/core/errors';
import type { MessagePipe } from '../../../src/relay/link/outbox';

export class MemoryPipe implements MessagePipe {
  bufferedAmount = 0;
  /** Whether what is sent stays in the buffer. */
  isSlow = false;
  isBroken = false;
  /** How often `watch` was called. */
  watched = 0;
  readonly sent: (string | ArrayBuffer)[] = [];
  readonly closed: LinkCode[] = [];

  send(data: string | ArrayBuffer): void {
    if (this.isBroken) throw new Error('InvalidStateError');
    this.sent.push(data);
    if (this.isSlow) this.bufferedAmount += typeof data === 'string' ? data.length : data.byteLength;
  }

  watch(): void {
    this.watched += 1;
  }

  close(code: LinkCode): void {
    this.closed.push(code);
  }
}
