/** One request to the site, repeated over other volunteers until its answer is complete.
 *
 * A body that broke off goes on where it stopped (`Range` with `If-Range`, RFC 9110 §13.1.5) where the site can do that;
 * otherwise the bytes that are known are skipped. Requests that must not be done twice carry a key by which the exit
 * knows them again.
 */

import { PeerError } from '../../../widget/src/core/errors';
import { TRIES } from '../limits';
import type { Carrier, Failure, OpenRequest } from '../links/carrier';
import { AnswerDecoder, encodeRequest, pad, type Event, type Request } from '../wire/binaryhttp';
import { NONE, join, type Bytes } from '../wire/integers';
import { ReadingProblem, type Trouble } from '../trouble';
import { sealRequest, type KeyConfiguration } from '../wire/oblivious';
import { field, type Header } from '../site/answer';

/** Methods that may be done twice (RFC 9110 §9.2.2); PUT and DELETE are left out, because not every site obeys. */
const REPEATABLE = ['GET', 'HEAD', 'OPTIONS'];
/** The volunteer, and an exit that does not say when the site is silent, have this long for each next piece of an answer. */
const SILENCE_MS = 20_000;
/** A volunteer that has brought nothing yet has less: while the site is silent, the gateway says so every 2.5 s. */
const FIRST_SILENCE_MS = 8_000;

/** What the reader is told of the gateway's refusals. */
const REFUSALS: Readonly<Record<string, Trouble | undefined>> = {
  quota: 'quota',
  clock: 'clock',
  name: 'outside',
  dns: 'site_silent',
  unreachable: 'site_silent',
  timeout: 'site_silent',
  garbled: 'site_silent',
  certificate: 'certificate',
};

/** Refusals that pass: the exit has not found or reached the site at this moment. It is asked once more. */
const PASSING: readonly string[] = ['dns', 'unreachable'];
/** An exit remembers for two seconds that it did not find a name. */
const AGAIN_MS = 2_500;
/** Ends that say nothing of whoever carried the request. */
const BLAMELESS: readonly string[] = ['ticket', 'stalled', 'passing', 'cut'];

export interface SiteRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly Header[];
  readonly content: Bytes | null;
  /** By which the exit knows a repetition, if somebody else may repeat the request. */
  readonly key?: string;
  /** What is known of the answer already; the rest is wanted. */
  readonly known?: Known | null;
}

/** What came of an answer that broke off. */
export interface Known {
  readonly status: number;
  /** Its fields, or those that mark version and part. */
  readonly fields: readonly Header[];
  /** Bytes of the content. */
  readonly got: number;
}

/** Where requests go. */
export interface Ways {
  /** Return a link that is open, if possible none of `not`. Rejects with the signal's reason. */
  link(signal: AbortSignal, not: ReadonlySet<Carrier>): Promise<Carrier>;
  /** Return the ticket for the gateway. Rejects with the signal's reason. */
  ticket(signal: AbortSignal): Promise<string>;
  /** The gateway does not take that ticket any more. */
  renewTicket(ticket: string): void;
  /** Return the gateway's key of today. Throws Problem. */
  key(): Promise<KeyConfiguration>;
  /** The gateway does not know that key: the descriptor is old, or this device's clock is wrong. */
  renew(): Promise<void>;
}

/** The head of an answer. */
export type Head = Event & { readonly kind: 'head' };

/** Return what somebody else needs to go on with an answer; null where the site does not mark its versions. */
export function continuable({ status, fields }: Head): Known | null {
  const marks = fields.filter(([name]) => name === 'etag' || name === 'content-range');
  return validator({ status, fields: marks }) ? { status, fields: marks, got: 0 } : null;
}

/** A piece of work that ended before the answer did. */
class Broken extends Error {
  constructor(readonly failure: Failure | 'silent' | 'altered' | 'ticket' | 'passing' | 'cut') {
    super('an answer broke off');
  }
}

export class Exchange {
  readonly #request: SiteRequest;
  readonly #ways: Ways;
  readonly #over = new AbortController();
  readonly #queue: Bytes[] = [];
  readonly #idempotency: string;
  #head: Pick<Head, 'status' | 'fields'> | null = null;
  #headDone = deferred<Head>();
  #wake = () => {};
  #used: (count: number) => void = () => {};
  /** Bytes of the content that came so far, and their sum; null if others had them, and the site's mark vouches. */
  #got = 0;
  #sum: number | null = NO_SUM;
  #isComplete = false;
  /** Whether it is asked once more, because a refusal may pass. */
  #isAgain = false;
  #error: unknown = null;

  constructor(request: SiteRequest, ways: Ways) {
    this.#request = request;
    this.#ways = ways;
    this.#idempotency = request.key ?? crypto.randomUUID();
    if (request.known) {
      this.#head = request.known;
      this.#got = request.known.got;
      this.#sum = null;
    }
    this.#headDone.promise.catch(() => {});
    void this.#run();
  }

  /** Resolves to the answer's head. Rejects with a Problem when no answer came. */
  get head(): Promise<Head> {
    return this.#headDone.promise;
  }

  /** Return the next bytes of the content; null at its end. Rejects with a Problem when it broke off for good. */
  async read(): Promise<Bytes | null> {
    while (this.#queue.length === 0 && !this.#isComplete && !this.#error) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#queue.length > 0) {
      const bytes = join(this.#queue.splice(0));
      this.#used(bytes.length);
      return bytes;
    }
    if (this.#error) throw this.#error;
    return null;
  }

  /** Return the content as a stream that takes nothing before it is wanted. Its end is as `read` says. */
  content(): ReadableStream<Bytes> {
    return new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          const bytes = await this.read();
          if (bytes) controller.enqueue(bytes);
          else controller.close();
        },
        cancel: () => this.cancel(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Give the request up. */
  cancel(): void {
    this.#over.abort();
  }

  async #run(): Promise<void> {
    const tried = new Set<Carrier>();
    let keys = 0;
    let silences = 1;
    /** Where the site cut its content off before. */
    let cut = -1;
    try {
      for (let tries = 1; ; tries++) {
        const link = await this.#ways.link(this.#over.signal, tried);
        tried.add(link);
        try {
          // Twice as long for each further one, because an exit that does not say so may wait for the site.
          await this.#attempt(link, link.isProved ? SILENCE_MS : Math.min(SILENCE_MS, FIRST_SILENCE_MS * silences));
          break;
        } catch (error) {
          if (this.#over.signal.aborted || !(error instanceof Broken)) throw error;
          // A page asks again for events by itself, and only then gets none twice.
          if (error.failure !== 'altered' && isEvents(this.#head)) throw new ReadingProblem('site_silent');
          if (error.failure === 'altered') link.distrust();
          else if (!BLAMELESS.includes(error.failure)) link.failed();
          if (error.failure === 'cut') {
            // A site that marks its versions may send the rest; one that stops at the same place again sends no more.
            if (this.#got === cut || !this.#head || !validator(this.#head)) throw new ReadingProblem('cut');
            cut = this.#got;
          }
          if (error.failure === 'passing') await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
          if (error.failure === 'key') keys += 1;
          if (error.failure === 'silent') silences *= 2;
          if (tries >= TRIES) throw new ReadingProblem(keys === TRIES ? 'clock' : 'site_silent');
          // A volunteer can say this, too. So what it leads to decides nothing before the other ways have failed.
          if (error.failure === 'key') await this.#ways.renew().catch(() => {});
        }
      }
      this.#isComplete = true;
    } catch (error) {
      this.#error = error;
      this.#headDone.reject(error);
    }
    this.#wake();
  }

  /** Send the request over `link`, and take its answer. Throws Broken when that ends early, or nothing of the gateway's
   * comes for a while; what a volunteer may have made up does not count. */
  async #attempt(link: Carrier, patience_ms: number): Promise<void> {
    const key = await this.#ways.key();
    const ticket = await this.#ways.ticket(this.#over.signal);
    const sealed = await sealRequest(key, pad(encodeRequest(this.#written(ticket))));
    const decoder = new AnswerDecoder();
    const answer = sealed.answer();
    const { promise, resolve, reject } = deferred<void>();
    let isOver = false;
    let skip = 0;
    let again = NO_SUM;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = (ms: number) => {
      clearTimeout(timer);
      if (isEvents(this.#head)) return;
      timer = setTimeout(() => {
        // Nothing comes while the page takes nothing.
        if (this.#queue.length > 0) wait(ms);
        else reject(new Broken('silent'));
      }, ms);
    };
    /** Take what was decoded, and return how many bytes of it wait for the page. */
    const take = (events: readonly Event[]): number => {
      let waiting = 0;
      // The next attempt asks for this, too.
      if (isOver) return waiting;
      for (const event of events) {
        if (event.kind === 'head') {
          this.#refuse(event, ticket);
          skip = this.#begin(event);
        }
        if (event.kind === 'end' && told(event.trailers) === 'cut') throw new Broken('cut');
        if (event.kind === 'end' && skip > 0) throw new ReadingProblem('site_silent');
        if (event.kind !== 'content') continue;
        const known = event.data.subarray(0, skip);
        const fresh = event.data.subarray(known.length);
        skip -= known.length;
        again = summed(again, known);
        const isKnown = known.length > 0 && skip === 0;
        if (isKnown && this.#sum !== null && again !== this.#sum) throw new ReadingProblem('site_silent');
        if (fresh.length === 0) continue;
        waiting += fresh.length;
        this.#got += fresh.length;
        if (this.#sum !== null) this.#sum = summed(this.#sum, fresh);
        this.#queue.push(fresh);
      }
      this.#wake();
      return waiting;
    };
    // Opening is asynchronous, and pieces must stay in order.
    let work = Promise.resolve();
    const open: OpenRequest = link.request(sealed.message, {
      sent: () => wait(patience_ms),
      bytes: (body, isLast) => {
        work = work.then(async () => {
          let waiting = 0;
          for (const chunk of await answer.receive(body)) {
            link.proved();
            waiting += take(decoder.receive(chunk));
            wait(SILENCE_MS);
          }
          // The rest was sealing, or is known already, and takes no room.
          open.used(Math.max(0, body.length - waiting));
          if (!isLast) return;
          const end = await answer.end();
          link.proved();
          take([...decoder.receive(end), ...decoder.end()]);
          resolve();
        });
        // Somebody on the way altered or cut the answer. Nothing is taken of the altered part, nor of what follows it.
        work.catch((error: unknown) => reject(error instanceof PeerError ? new Broken('altered') : error));
      },
      failed: (failure) => reject(new Broken(failure)),
    });
    const cancel = () => reject(this.#over.signal.reason);
    this.#over.signal.addEventListener('abort', cancel);
    this.#used = (count) => {
      wait(SILENCE_MS);
      open.used(count);
    };
    try {
      await promise;
    } finally {
      isOver = true;
      clearTimeout(timer);
      this.#used = () => {};
      this.#over.signal.removeEventListener('abort', cancel);
      open.cancel();
    }
  }

  /** Return the request for this attempt: the whole, or what is missing. */
  #written(ticket: string): Request {
    const { url, method, headers, content } = this.#request;
    let fields: readonly Header[] = [...headers, ['te', 'trailers'], ['passerelle-ticket', ticket]];
    if (!REPEATABLE.includes(method)) {
      // The gateway refuses what may be a repetition of long ago.
      fields = [...fields, ['idempotency-key', this.#idempotency], ['date', new Date().toUTCString()]];
    }
    const version = this.#head && validator(this.#head);
    if (this.#got > 0 && version) {
      const [first = 0, last = ''] = this.#range() ?? [];
      fields = fields.filter(([name]) => name !== 'range' && name !== 'if-range');
      fields = [...fields, ['range', `bytes=${first + this.#got}-${last}`], ['if-range', version]];
    }
    const path = url.pathname + url.search;
    return { method, scheme: url.protocol.slice(0, -1), authority: url.host, path, fields, content: content ?? NONE };
  }

  /** Throw what a refusal means that the gateway answers itself. Others are shown as the site's own answers. */
  #refuse(head: Head, ticket: string): void {
    const reason = told(head.fields);
    if (reason === 'ticket') {
      this.#ways.renewTicket(ticket);
      throw new Broken('ticket');
    }
    if (reason && PASSING.includes(reason) && !this.#isAgain && REPEATABLE.includes(this.#request.method)) {
      this.#isAgain = true;
      throw new Broken('passing');
    }
    const trouble = reason && REFUSALS[reason];
    if (trouble) throw new ReadingProblem(trouble);
  }

  /** Take the head of an attempt, and return how many bytes of its content are known already. */
  #begin(head: Head): number {
    const known = this.#head;
    if (known === null) this.#head = head;
    if (known === null || this.#got === 0) {
      this.#headDone.resolve(head);
      return 0;
    }
    const [start] = range(head) ?? [];
    const [first = 0] = this.#range() ?? [];
    const isRest = head.status === 206 && start === first + this.#got;
    // The site sent all of it again. What follows is the rest of the same only if it begins in the same way.
    const isSame = head.status === known.status && field(head.fields, 'etag') === field(known.fields, 'etag');
    if (!isRest && !isSame) throw new ReadingProblem('site_silent');
    this.#headDone.resolve(head);
    return isRest ? 0 : this.#got;
  }

  /** First and last byte of the part that the answer to the first attempt holds; null for all of it. */
  #range(): readonly [first: number, last: number | ''] | null {
    return this.#head?.status === 206 ? range(this.#head) : null;
  }
}

/** Tell whether an answer is a stream of events, which is silent for as long as nothing happens. */
export const isEvents = (head: Pick<Head, 'fields'> | null): boolean =>
  /^\s*text\/event-stream/i.test((head && field(head.fields, 'content-type')) ?? '');

/** What the gateway itself says in a head or in trailers. */
const told = (fields: readonly Header[]): string | undefined =>
  /^passerelle;.* details="(\w+)"/.exec(field(fields, 'proxy-status') ?? '')?.[1];

/** The site's mark of this version, if it promises that equal marks mean equal bytes (RFC 9110 §8.8.1). */
function validator({ status, fields }: Pick<Head, 'status' | 'fields'>): string | null {
  const etag = field(fields, 'etag');
  return etag && !etag.startsWith('W/') && [200, 206].includes(status) ? etag : null;
}

function range(head: Pick<Head, 'fields'>): readonly [first: number, last: number] | null {
  const match = /^bytes (\d+)-(\d+)\//.exec(field(head.fields, 'content-range') ?? '');
  return match ? [Number(match[1]), Number(match[2])] : null;
}

/** By which two beginnings of a content are told apart: FNV-1a. Who alters one on the way is noticed by the seal, so this
 * needs to resist nobody. */
const NO_SUM = 0x811c9dc5;

function summed(sum: number, bytes: Bytes): number {
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum;
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Return a promise that others settle. */
function deferred<T>(): Deferred<T> {
  let settle!: Omit<Deferred<T>, 'promise'>;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}
