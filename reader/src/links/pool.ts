/** Keeps links to a few volunteers open while the page is read.
 *
 * The first request asks for two volunteers, so that one which cannot be reached costs no time. Later requests replace
 * what was lost. When a volunteer is not reached in a moment, another one is asked for beside it.
 */

import { Problem } from '../../../widget/src/core/errors';
import { delay_s } from '../../../widget/src/core/traffic/backoff';
import type { Description } from '../../../widget/src/core/wire/description';
import { ask, preconnect, type BrokerEntry } from '../rendezvous/broker';
import type { Answer, Reply } from '../rendezvous/request';
import { troubleOf, type Trouble } from '../trouble';
import { LinkConnection } from './connection';
import { GatewayLink } from './gatewaylink';
import { Patience } from './pulse';

/** Links that are kept. */
const LINKS = 3;
/** Links that the first request asks for; a third comes once one is open. */
const FIRST_LINKS = 2;
/** Volunteers that are remembered as not to be asked again. */
const FAILED = 16;
/** The pause between two tries doubles so many times. */
const LONGEST_PAUSE = 5;
/** When nothing opened after this time, other volunteers are asked for. */
const SLOW_MS = 3_000;

export interface PoolSettings {
  readonly brokers: readonly BrokerEntry[];
  readonly exit: string;
  readonly stun: readonly string[];
  readonly private_candidates: boolean;
  readonly software: string;
}

export interface PoolEvents {
  /** The open links changed, or the last try to open one failed. Two links may go through one volunteer, who counts
   * once. `countries` are the volunteers', each once, as far as they are known. */
  changed(volunteers: number, countries: readonly string[], trouble: Trouble | null): void;
}

interface Member {
  readonly link: GatewayLink;
  readonly volunteer: Uint8Array;
  readonly country: string | null;
}

export class LinkPool {
  readonly #settings: PoolSettings;
  readonly #events: PoolEvents;
  readonly #over = new AbortController();
  readonly #members = new Set<Member>();
  readonly #failed: Uint8Array[] = [];
  /** Volunteers that altered something, and those whose link was given up. */
  readonly #hostile: Uint8Array[] = [];
  readonly #useless: Uint8Array[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #patience = new Patience();
  /** The client ticket of the last reply: the gateway counts requests for it. */
  #ticket = '';
  #opening = 0;
  #failures = 0;
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: PoolSettings, events: PoolEvents) {
    this.#settings = settings;
    this.#events = events;
  }

  /** Open links until there are enough, from now on and until `close`. */
  start(): void {
    const [first] = this.#settings.brokers;
    if (first) preconnect(first);
    this.#fill();
  }

  /** End all links. Idempotent. */
  close(): void {
    this.#over.abort();
    clearTimeout(this.#timer);
    for (const { link } of [...this.#members]) link.close();
  }

  /** Ask at once, because the network came back or the reader presses. */
  hurry(): void {
    this.#failures = 0;
    clearTimeout(this.#timer);
    this.#fill();
  }

  /** Return an open link: if possible one over which something comes, then none of `not`, then one that brings answers, then
   * the one over which an answer should come soonest. Waits for one, and rejects with the signal's reason. */
  async link(signal: AbortSignal, not: ReadonlySet<GatewayLink> = new Set()): Promise<GatewayLink> {
    for (;;) {
      signal.throwIfAborted();
      const faults = (link: GatewayLink) => [Number(link.isStalled), Number(not.has(link)), link.failures, link.cost_ms];
      const [best] = [...this.#members].map(({ link }) => link).sort((a, b) => compared(faults(a), faults(b)));
      if (best) return best;
      await this.#change(signal);
    }
  }

  /** Return the ticket for the gateway. Waits for one, and rejects with the signal's reason. */
  async ticket(signal: AbortSignal): Promise<string> {
    while (!this.#ticket) {
      await this.#change(signal);
      signal.throwIfAborted();
    }
    return this.#ticket;
  }

  /** The gateway does not take `ticket` any more: ask for another one. */
  renewTicket(ticket: string): void {
    if (this.#ticket !== ticket) return;
    this.#ticket = '';
    if (this.#opening === 0) void this.#open(1);
  }

  /** The links through which something comes. */
  get #live(): GatewayLink[] {
    return [...this.#members].map(({ link }) => link).filter((link) => !link.isStalled);
  }

  /** Nothing comes over `link`. Its requests go on over another one as soon as there is one; where all are stalled, it may
   * be the reader's own network, and they wait. */
  #stalled(link: GatewayLink, isNew: boolean): void {
    if (this.#live.length > 0) link.leave();
    else if (isNew) this.hurry();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #fill(): void {
    if (this.#over.signal.aborted || this.#opening > 0) return;
    const have = this.#live.length;
    const wanted = have === 0 ? FIRST_LINKS : LINKS - have;
    if (wanted > 0) void this.#open(wanted);
  }

  async #open(count: number): Promise<void> {
    this.#opening++;
    let trouble: Trouble | null = null;
    try {
      trouble = await this.#meet(count);
    } catch (error) {
      trouble = troubleOf(error);
    } finally {
      this.#opening--;
    }
    if (this.#over.signal.aborted) return;
    this.#failures = trouble === null ? 0 : this.#failures + 1;
    this.#tell(this.#members.size > 0 ? null : trouble);
    if (this.#live.length >= LINKS) return;
    // The first link brings the page; the others may come a little later.
    const wait_s = trouble === null ? 1 : delay_s(Math.min(this.#failures, LONGEST_PAUSE), Math.random(), 1);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fill(), wait_s * 1000);
  }

  /** Ask a broker for `count` volunteers, and connect to those that answer. Returns what was wrong if nothing opened. */
  async #meet(count: number): Promise<Trouble | null> {
    const { stun } = this.#settings;
    const before = this.#members.size;
    const connections = Array.from({ length: count }, () => new LinkConnection(stun));
    try {
      const offers = await Promise.all(connections.map((connection) => connection.offer()));
      const reply = await this.#ask(offers);
      if (reply.refusal === 'version') throw new Problem('broker_version');
      if (reply.refusal) throw new Problem('broker_full', true);
      this.#ticket = reply.ticket;
      const attempts = connections.map((connection, index) => this.#connect(connection, reply.answers[index]));
      // Whatever opens later is taken too.
      await Promise.race([Promise.any(attempts).catch(() => null), wait(SLOW_MS)]);
      if (this.#members.size > before) return null;
      return reply.answers.every((answer) => answer === 'no_volunteer') ? 'no_volunteer' : 'no_link';
    } catch (error) {
      for (const connection of connections) connection.close();
      throw error;
    }
  }

  async #ask(offers: readonly Description[]): Promise<Reply> {
    const { brokers, exit, software } = this.#settings;
    const members = [...this.#members].map(({ volunteer }) => volunteer);
    // Who brought no answers may not be to blame. It is asked again where nobody else is there.
    const avoid = [...(members.length > 0 ? this.#useless : []), ...this.#hostile, ...members];
    const wish = { offers, exit, avoid, failed: this.#failed.splice(0), software };
    let problem: unknown;
    // What worked last comes first, so a blocked broker costs its time-out once.
    for (let tries = 0; tries < brokers.length; tries++) {
      try {
        return await ask(brokers[this.#turn % brokers.length]!, wish, this.#over.signal);
      } catch (error) {
        this.#over.signal.throwIfAborted();
        problem = error;
        this.#turn++;
      }
    }
    throw problem ?? new Problem('broker_unreachable', true);
  }

  /** Make a link of an answer. Rejects when there is none, or none comes about. */
  async #connect(connection: LinkConnection, answer: Answer | string | undefined): Promise<void> {
    if (answer === undefined || typeof answer === 'string') {
      connection.close();
      throw new Error('no volunteer answered');
    }
    const { description, volunteer, country } = answer;
    try {
      await connection.connect(description, this.#settings.private_candidates);
    } catch (error) {
      connection.close();
      note(this.#failed, volunteer);
      throw error;
    }
    if (this.#over.signal.aborted || this.#live.length > LINKS) return connection.close();
    const link: GatewayLink = new GatewayLink(connection, this.#patience, (isNew) => this.#stalled(link, isNew));
    const member = { link, volunteer, country };
    this.#members.add(member);
    connection.over.addEventListener('abort', () => {
      this.#members.delete(member);
      const { isHostile, isStalled, failures } = link;
      if (isHostile || isStalled) note(this.#failed, volunteer);
      if (isHostile || isStalled || failures > 0) note(isHostile ? this.#hostile : this.#useless, volunteer);
      this.#tell(null);
      this.hurry();
    });
    this.#tell(null);
  }

  #tell(trouble: Trouble | null): void {
    const byVolunteer = new Map([...this.#members].map(({ volunteer, country }) => [String(volunteer), country]));
    const countries = new Set([...byVolunteer.values()].flatMap((country) => country ?? []));
    this.#events.changed(byVolunteer.size, [...countries], trouble);
    for (const wake of [...this.#waiting]) wake();
  }
}

const wait = (ms: number) => new Promise<null>((resolve) => setTimeout(resolve, ms, null));

/** Compare lists of equal length by their first members that differ. */
function compared(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}

function note(list: Uint8Array[], volunteer: Uint8Array): void {
  if (list.push(volunteer) > FAILED) list.shift();
}
