/** The relay: takes the broker's offers, holds the links, and reports to the page. */

import { fromOwnSdp, toSdp } from '../core/description';
import { Problem, type LinkCode, type Reason } from '../core/fault';
import { parse } from '../core/invite';
import { SLOTS } from '../core/limits';
import type { FromRelay, Report, ToRelay } from '../core/report';
import type { Offer } from '../core/signalling';
import { Broker, type Reply } from './broker';
import { Link } from './link';
import { Network } from './network';
import { joinChannel, joinSocket } from './port';

/** How long links may go on after being asked to move. */
const DRAIN_MS = 1_200;
const STUN_SERVERS = 2;
/** Between two reports when only the number of bytes changes. */
const REPORT_MS = 1_000;

interface Entry {
  readonly link: Link;
  readonly reply: Reply;
  answered: boolean;
}

export class Relay {
  readonly #post: (message: FromRelay) => void;
  readonly #entries = new Map<number, Entry>();
  readonly #stopping = new AbortController();
  #network: Network | null = null;
  #broker: Broker | null = null;
  #slots = 0;
  #next = 1;
  #report: Report = {
    broker: 'connecting',
    reason: null,
    retry_s: null,
    people: 0,
    links: 0,
    bytes: 0,
  };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reason: Reason | null = null;
  #ended = false;

  constructor(post: (message: FromRelay) => void) {
    this.#post = post;
  }

  handle(message: ToRelay): void {
    switch (message.type) {
      case 'start':
        return void this.#start(message.invite, message.people);
      case 'people':
        this.#slots = Math.min(message.people, SLOTS);
        return this.#broker?.ready();
      case 'channel':
        return this.#channel(message.link, message.channel);
      case 'answered':
        return this.#answer(message.link, message.sdp);
      case 'peer_lost':
        return this.#entries.get(message.link)?.link.close('transport');
      case 'stop':
        return this.#stop(null);
    }
  }

  async #start(invite: string, people: number): Promise<void> {
    this.#slots = Math.min(people, SLOTS);
    try {
      this.#network = new Network(parse(invite), this.#stopping.signal);
      this.#broker = new Broker(
        this.#network,
        {
          free: () => Math.max(0, this.#slots - this.#entries.size),
          offer: (offer, reply) => this.#offered(offer, reply),
          changed: (broker, reason, retry_s) => this.#change({ broker, reason, retry_s }),
        },
        this.#stopping.signal,
      );
      await this.#broker.run();
    } catch (error) {
      this.#stop(error instanceof Problem ? error.reason : 'internal');
    }
  }

  #offered(offer: Offer, reply: Reply): void {
    const descriptor = this.#network?.descriptor;
    const exit = descriptor?.exits.find(({ id }) => id === offer.exit);
    if (!descriptor || !exit) return reply.decline('unknown_exit');
    if (this.#entries.size >= this.#slots) return reply.decline('busy');
    // This browser must be the DTLS client: a genuine ClientHello is what a censor gets to see.
    if (offer.description.setup === 'active') return reply.decline('unsupported');
    let socket: WebSocket;
    try {
      socket = new WebSocket(exit.url, ['passerelle.v1', offer.ticket]);
    } catch {
      return reply.decline('failed');
    }
    const id = this.#next++;
    const link = new Link({
      changed: () => this.#count(id),
      carried: (bytes) => this.#carried(bytes),
      over: (code) => this.#over(id, code),
    });
    this.#entries.set(id, { link, reply, answered: false });
    this.#broker?.ready();
    joinSocket(link, socket);
    this.#post({
      type: 'peer',
      link: id,
      sdp: toSdp(offer.description),
      stun: pick(descriptor.stun, STUN_SERVERS),
    });
  }

  #channel(id: number, channel: RTCDataChannel): void {
    const entry = this.#entries.get(id);
    if (entry) joinChannel(entry.link, channel);
    else channel.close();
  }

  #answer(id: number, sdp: string): void {
    const entry = this.#entries.get(id);
    if (!entry || entry.answered) return;
    try {
      const description = fromOwnSdp(sdp);
      if (description.setup !== 'active') throw new Problem('internal');
      entry.answered = true;
      entry.reply.answer(description);
    } catch {
      entry.link.close('internal');
    }
  }

  #over(id: number, _code: LinkCode): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (!entry.answered) entry.reply.decline('failed');
    this.#entries.delete(id);
    this.#post({ type: 'peer_over', link: id });
    this.#broker?.ready();
    this.#conclude();
  }

  readonly #helped = new Set<number>();

  #count(id: number): void {
    const isOpen = this.#entries.get(id)?.link.isOpen ?? false;
    const links = this.#report.links + (isOpen && !this.#helped.has(id) ? 1 : 0);
    if (isOpen) this.#helped.add(id);
    else this.#helped.delete(id);
    const people = this.#helped.size;
    if (people !== this.#report.people) this.#change({ people, links });
  }

  #carried(bytes: number): void {
    this.#report = { ...this.#report, bytes: this.#report.bytes + bytes };
    this.#timer ??= setTimeout(() => this.#change({}), REPORT_MS);
  }

  #change(part: Partial<Report>): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#report = { ...this.#report, ...part };
    this.#post({ type: 'report', report: this.#report });
  }

  #stop(reason: Reason | null): void {
    if (this.#stopping.signal.aborted) return;
    this.#reason = reason;
    this.#stopping.abort();
    for (const { link } of this.#entries.values()) link.drain(DRAIN_MS);
    this.#conclude();
  }

  #conclude(): void {
    if (this.#ended || !this.#stopping.signal.aborted || this.#entries.size > 0) return;
    this.#ended = true;
    this.#change({});
    this.#post({ type: 'ended', reason: this.#reason });
  }
}

/** Return up to `count` members of `from`, chosen at random. */
function pick<T>(from: readonly T[], count: number): T[] {
  const left = [...from];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0) {
    chosen.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  }
  return chosen;
}
