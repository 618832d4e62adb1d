/** Keeps links to a few volunteers open while the page is read.
 *
 * The first request asks for two volunteers, so that one which cannot be reached costs no time. Later requests replace
 * what was lost. When a volunteer is not reached in a moment, another one is asked for beside it.
 */

import { Problem } from '../../../widget/src/core/errors';
import type { Description } from '../../../widget/src/core/wire/description';
import type { LoadLater } from '../later/later';
import type { Exchange, SiteRequest } from '../page/exchange';
import { ask, preconnect, type BrokerEntry, type Carry } from '../rendezvous/broker';
import type { Answer, Reply, Wish } from '../rendezvous/request';
import { staggered } from '../rendezvous/staggered';
import { troubleOf, type Trouble } from '../trouble';
import { LinkConnection, type LinkMedia } from './connection';
import { compared, type Carrier } from './carrier';
import type { DoorRace, Doors } from './doors';
import { GatewayLink } from './gatewaylink';
import type { introducer, Order } from './introducer';
import { BROKER_PATIENCE_MS, DOOR_STAGGER_MS, FRIEND_PROOF_BITS, KNOWN_DOOR_MS, OFFERS_MS } from '../limits';
import { pause_ms, want, type Want } from './pauses';
import { Patience } from './pulse';

/** Links that are kept. */
const LINKS = 3;
/** Links that the first request asks for; a third comes once one is open. */
const FIRST_LINKS = 2;
/** Volunteers that are remembered as not to be asked again. */
const FAILED = 16;
/** When nothing opened after this time, other volunteers are asked for. */
const SLOW_MS = 3_000;
/** A friend's browser looks for this one from the moment of the answer on, and ever more seldom. */
const FRIEND_MS = 10_000;
/** Where no volunteer is there for so long, requests go through a door. */
const DOOR_MS = 2_500;
/** What is wrong when there is no volunteer, and nothing where a door is. */
const ALONE: readonly Trouble[] = ['no_volunteer', 'no_link'];

export interface PoolSettings {
  /** The brokers, and the doors to them. */
  readonly brokers: readonly BrokerEntry[];
  readonly doors: readonly string[];
  /** Whether the first door is the one that worked last. */
  readonly hasWorked: boolean;
  readonly exit: string;
  readonly stun: readonly string[];
  readonly private_candidates: boolean;
  readonly software: string;
  /** Whether volunteers can be reached at all. */
  readonly hasWebrtc: boolean;
  /** Sends a request to the gateway. */
  readonly ask: (request: SiteRequest) => Exchange;
  readonly later: LoadLater;
}

export interface PoolEvents {
  /** The open links changed, or the last try to open one failed. Two links may go through one volunteer, who counts
   * once. `countries` are the volunteers', each once, as far as they are known. */
  changed(volunteers: number, countries: readonly string[], trouble: Trouble | null): void;
  /** A request goes through the door of this host, because no volunteer is there. */
  throughDoor(host: string): void;
  /** The broker or door at this URL answered for a broker. */
  worked(url: string): void;
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
  #doors: Doors | null = null;
  /** The brokers, and the doors to them, in the order in which they are asked. */
  #brokers: readonly BrokerEntry[];
  /** The URL of the broker or door that answered last. */
  #askedBy = '';
  /** Returns the ways to a broker in the order in which they are tried; among them the gateway, once the code for that is here. */
  #order: Order = (brokers) => brokers;
  readonly #patience_ms: number;
  /** When something last came through a volunteer, or the page began. */
  #live_ms = performance.now();
  #isThroughDoor = false;
  #media: LinkMedia | undefined;
  #opening = 0;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: PoolSettings, events: PoolEvents) {
    this.#settings = settings;
    this.#brokers = settings.brokers;
    this.#patience_ms = settings.hasWebrtc ? DOOR_MS : 0;
    this.#events = events;
  }

  /** Open links until there are enough, from now on and until `close`. */
  start(): void {
    preconnect(this.#settings.brokers[0]!);
    this.#fill();
  }

  /** End all links. Idempotent. */
  close(): void {
    this.#over.abort();
    clearTimeout(this.#timer);
    for (const { link } of [...this.#members]) link.close();
  }

  /** Ask at once, because the network came back, a volunteer left or the reader presses; not where that would only bring
   * spares through a door. */
  hurry(): void {
    this.#failures = 0;
    if (this.#want === 'sparesByDoor') return this.#plan();
    clearTimeout(this.#timer);
    this.#fill();
  }

  /** Ask brokers through the gateway, too, from now on. */
  lead(make: typeof introducer): void {
    this.#order = make(this.#settings, this.#settings.doors, () => this.#ticket && this.#live[0], () => this.#open(0));
  }

  /** Open links with video from now on, and one at once, because large files come faster over it; unless a request for
   * volunteers is under way. */
  bring(media: LinkMedia): void {
    this.#media = media;
    if (this.#settings.hasWebrtc && !this.#opening) void this.#open(1);
  }

  /** Return what asks for a link to a friend, to whose broker people have `carry` take the request. It returns what was
   * wrong if no link opened, and rejects with Problem where the broker refuses and with what `carry` throws. */
  befriend(carry: Carry): () => Promise<Trouble | null> {
    const friend = { ...this.#settings.brokers[0]!, carry, proof_bits: FRIEND_PROOF_BITS };
    return () => this.#meet(1, friend);
  }

  /** Return an open link: if possible one over which something comes, then none of `not`, then one that brings answers, then
   * the one over which an answer should come soonest. Where nothing comes for a while, a door. Waits for either, and rejects
   * with the signal's reason. */
  async link(signal: AbortSignal, not: ReadonlySet<Carrier> = new Set()): Promise<Carrier> {
    for (;;) {
      signal.throwIfAborted();
      const left_ms = this.#settings.doors.length > 0 ? this.#patience_ms - this.#lonely_ms : Infinity;
      const door = left_ms <= 0 && (await this.#door());
      signal.throwIfAborted();
      if (door) return door;
      const links = [...this.#members].map(({ link }) => link);
      const best = leastOf(links, (link) => [+link.isStalled, +not.has(link), link.failures, link.cost_ms]);
      if (best) return best;
      await this.#change(signal, left_ms > 0 ? left_ms : DOOR_MS);
    }
  }

  /** Return the doors that should answer soonest; null where the code for doors cannot be had now. */
  async #door(): Promise<DoorRace | null> {
    const { doors, exit, later } = this.#settings;
    const loaded = await later().catch(() => null);
    if (!loaded) return null;
    const { throughDoor } = this.#events;
    this.#doors ??= new loaded.Doors(doors, exit, throughDoor);
    const carrier = this.#doors.carrier(this.#askedBy);
    this.#isThroughDoor = true;
    throughDoor(carrier.host);
    return carrier;
  }

  /** For how long nothing could come through a volunteer. */
  get #lonely_ms(): number {
    const now_ms = performance.now();
    if (this.#live.length > 0) {
      this.#live_ms = now_ms;
      this.#isThroughDoor = false;
    }
    return now_ms - this.#live_ms;
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
    if (this.#opening === 0) void this.#open(this.#settings.hasWebrtc ? 1 : 0);
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

  /** Wait until something changes, for `most_ms` at most. */
  #change(signal: AbortSignal, most_ms = Infinity): Promise<void> {
    return new Promise((resolve) => {
      const timer = most_ms === Infinity ? undefined : setTimeout(() => done(), most_ms);
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #fill(): void {
    if (this.#opening > 0) return;
    const have = this.#settings.hasWebrtc ? this.#live.length : LINKS;
    const count = have === 0 ? FIRST_LINKS : Math.max(0, LINKS - have);
    // Each request for the site needs a ticket, whoever carries it.
    if (count > 0 || !this.#ticket) void this.#open(count);
  }

  async #open(count: number): Promise<void> {
    // Nothing leaves this page any more.
    if (this.#over.signal.aborted) return;
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
    // Links carry nothing without a ticket.
    const isTold = (this.#members.size === 0 || !this.#ticket) && !(this.#isThroughDoor && trouble && ALONE.includes(trouble));
    this.#tell(isTold ? trouble : null);
    if (this.#live.length < LINKS || !this.#ticket) this.#plan();
  }

  get #want(): Want {
    // Without a ticket nothing goes through volunteers either.
    const [next] = this.#order(this.#brokers);
    return want(this.#ticket ? this.#live.length : 0, this.#settings.doors.includes(next!.url), this.#isThroughDoor && !!this.#ticket);
  }

  /** Ask again after a pause. */
  #plan(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fill(), pause_ms(this.#want, this.#failures, Math.random()));
  }

  /** Ask `friend`, or else a broker, for `count` volunteers, and connect to those that answer. Returns what was wrong if
   * nothing opened. */
  async #meet(count: number, friend?: BrokerEntry): Promise<Trouble | null> {
    const { stun } = this.#settings;
    const before = this.#members.size;
    // Where no link with a video comes about, one without may.
    const media = this.#failures % 2 ? undefined : this.#media;
    const connections = Array.from({ length: count }, () => new LinkConnection(stun, media));
    try {
      const offering = Promise.all(connections.map((connection) => connection.offer()));
      const [offers] = await Promise.all([offering, friend || this.#admitted(offering)]);
      const reply = await this.#ask(offers, friend);
      if (count === 0) return null;
      const attempts = connections.map((connection, index) => this.#connect(connection, reply.answers[index]));
      // Whatever opens later is taken too.
      await Promise.race([Promise.any(attempts).catch(() => null), wait(friend ? FRIEND_MS : SLOW_MS)]);
      if (this.#members.size > before) return null;
      return reply.answers.every((answer) => answer === 'no_volunteer') ? 'no_volunteer' : 'no_link';
    } catch (error) {
      for (const connection of connections) connection.close();
      throw error;
    }
  }

  /** Ask for a ticket where `offering` takes long: STUN is silent then, so volunteers may be out of reach. A door carries by
   * the ticket, and a broker gives it at once, while it may look for volunteers for seconds. */
  async #admitted(offering: Promise<unknown>): Promise<void> {
    if (this.#ticket || this.#settings.doors.length === 0) return;
    if (!(await Promise.race([offering, wait(OFFERS_MS)]))) await this.#ask([]);
  }

  /** Ask `friend`, or else a broker, to pass `offers` to volunteers, and take the ticket of the reply. Throws Problem where
   * it refuses. */
  async #ask(offers: readonly Description[], friend?: BrokerEntry): Promise<Reply> {
    const { exit, software, later } = this.#settings;
    const plain = { offers, exit, avoid: [], failed: [], software };
    // The friend is wanted again even where a link to the same browser failed before.
    const reply = await (friend ? ask(friend, plain, this.#over.signal, later) : this.#asked(plain));
    if (reply.refusal === 'version') throw new Problem('broker_version');
    if (reply.refusal) throw new Problem('broker_full', true);
    this.#ticket = reply.ticket;
    this.#wake();
    return reply;
  }

  /** Return the reply of the first broker or door that gives one. */
  async #asked(plain: Wish): Promise<Reply> {
    // The only volunteer may be the one to have a video with.
    const members = [...this.#members].map(({ volunteer }) => volunteer).slice(+!!this.#media);
    // Who brought no answers may not be to blame. It is asked again where nobody else is there.
    const avoid = [...(members.length > 0 ? this.#useless : []), ...this.#hostile, ...members];
    const wish = { ...plain, avoid, failed: this.#failed.splice(0) };
    const order = this.#order(this.#brokers);
    const attempts = order.map((broker) => (signal: AbortSignal) => ask(broker, wish, signal, this.#settings.later));
    const { hasWorked } = this.#settings;
    const first_ms = this.#askedBy ? KNOWN_DOOR_MS : hasWorked ? DOOR_STAGGER_MS : BROKER_PATIENCE_MS;
    const [reply, place] = await staggered(attempts, (place) => place * DOOR_STAGGER_MS || first_ms, this.#over.signal);
    const asked = order[place]!;
    // The gateway has no URL here.
    if (asked.url) {
      // What worked last comes first, so a blocked broker costs time once. Another request may go by the old order.
      this.#brokers = [...new Set([asked, ...this.#brokers])];
      this.#askedBy = asked.url;
      this.#events.worked(asked.url);
    }
    return reply;
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
      // A broker is told of volunteers through whom no link came about, and keeps them from this network for long.
      if (isHostile) note(this.#failed, volunteer);
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
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

const wait = (ms: number) => new Promise<null>((resolve) => setTimeout(resolve, ms, null));

/** Return the item with the least marks, which are of equal number, and the first of which counts most. */
function leastOf<T>(items: readonly T[], marks: (item: T) => readonly number[]): T | undefined {
  return [...items].sort((a, b) => compared(marks(a), marks(b)))[0];
}

function note(list: Uint8Array[], volunteer: Uint8Array): void {
  if (list.push(volunteer) > FAILED) list.shift();
}
