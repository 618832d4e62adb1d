/** The browser's pipes in memory: only what the relay uses of them. */

const parsed = (sent: readonly unknown[]): unknown[] =>
  sent.filter((data) => typeof data === 'string').map((data) => JSON.parse(data) as unknown);

export class FakeSocket {
  static made: FakeSocket[] = [];
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readyState = 0;
  bufferedAmount = 0;
  binaryType = 'blob';
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: unknown[] = [];
  closed: number | null = null;

  constructor(
    readonly url: string,
    readonly protocols: readonly string[] = [],
  ) {
    for (const name of protocols) if (!/^[\w.-]+$/.test(name)) throw new SyntaxError(name);
    FakeSocket.made.push(this);
  }

  /** The text messages sent, parsed. */
  get said(): unknown[] {
    return parsed(this.sent);
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  receive(data: unknown): void {
    this.onmessage?.({ data });
  }

  tell(message: object): void {
    this.receive(JSON.stringify(message));
  }

  lose(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  /** Fail as Chromium does when the page's policy forbids the address: no `close` follows. */
  refuse(): void {
    this.readyState = 3;
    this.onerror?.();
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(code: number): void {
    this.closed ??= code;
    this.readyState = Math.max(2, this.readyState);
  }
}

export class FakeChannel {
  readyState = 'connecting';
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  binaryType = 'blob';
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;
  readonly sent: unknown[] = [];
  isClosed = false;

  get said(): unknown[] {
    return parsed(this.sent);
  }

  open(): void {
    this.readyState = 'open';
    this.onopen?.();
  }

  receive(data: unknown): void {
    this.onmessage?.({ data });
  }

  tell(message: object): void {
    this.receive(JSON.stringify(message));
  }

  lose(): void {
    this.readyState = 'closed';
    this.onclose?.();
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.isClosed = true;
  }
}
