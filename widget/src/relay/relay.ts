/** The relay: takes the broker's offers, holds the links, and reports to the page. */

import { vet } from '../core/addresses/candidates';
import * as control from '../core/wire/control';
import { fromOwnSdp, MEDIA_VERSION, toSdp, type Description } from '../core/wire/description';
import { Problem, type Reason } from '../core/errors';
import { parse } from '../core/wire/invite';
import { LANES, SLOTS } from '../core/limits';
import type { VolunteerLimits, RelayToPage, EncodedStreams, RelayReport, PageToRelay } from '../core/switch/report';
import type { BrokerOffer } from '../core/wire/signalling';
import { BrokerConversation, type OfferReply } from './broker';
import { frameSource } from './link/pictures';
import { VideoSender, type FrameSource } from './link/videosender';
import { FriendRequests } from './friends';
import { Link } from './link/link';
import { DescriptorSource } from './descriptor';
import { RateLimiter } from './link/ratelimiter';
import { Person } from './person';
import { joinChannel, joinSocket } from './link/pipe';

/** How long links may go on after being asked to move. */
const DRAIN_MS = 1_200;
const STUN_SERVERS = 2;
/** Between two reports when only the number of bytes changes. */
const REPORT_MS = 1_000;

interface Entry {
  readonly link: Link;
  readonly person: Person;
  readonly reply: OfferReply;
  channel: RTCDataChannel | null;
  answer: Description | null;
  projector: FrameSource | null;
  film: VideoSender | null;
  /** Opens the exit's side once the client's is open; null where that was done at once. */
  readonly connect: (() => void) | null;
  isAnswered: boolean;
  isOpen: boolean;
}

/** What an offer of the broker's and a lane of a client's have in common. */
interface Request {
  readonly patient?: boolean;
  readonly ticket: string;
  readonly description: Description;
}

export class Relay {
  readonly #post: (message: RelayToPage) => void;
  readonly #entries = new Map<number, Entry>();
  readonly #people = new Set<Person>();
  readonly #pace = new RateLimiter();
  readonly #friends: FriendRequests;
  readonly #stopping = new AbortController();
  #media = false;
  #network: DescriptorSource | null = null;
  #broker: BrokerConversation | null = null;
  #allowance: VolunteerLimits = { people: 0, lanes: 0, mbit: 0, bytes: 0 };
  #confirmed = false;
  #next = 1;
  #report: RelayReport = {
    broker: 'connecting',
    reason: null,
    retry_s: null,
    people: 0,
    helped: 0,
    bytes: 0,
    crossing: [],
    country: null,
    caution: false,
  };
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reason: Reason | null = null;
  #ended = false;

  constructor(post: (message: RelayToPage) => void) {
    this.#post = post;
    this.#friends = new FriendRequests(post);
  }

  handle(message: PageToRelay): void {
    switch (message.type) {
      case 'start':
        this.#confirmed = message.confirmed;
        this.#allow(message.allowance);
        this.#media = message.media;
        return void this.#start(message.invite);
      case 'allow':
        this.#allow(message.allowance);
        return this.#broker?.ready();
      case 'confirm':
        this.#confirmed = true;
        this.#change({ caution: false });
        return this.#broker?.ready();
      case 'renew':
        return this.#broker?.renew();
      case 'channel':
        return this.#channel(message.link, message.channel);
      case 'video':
        return this.#film(message.link, message.reels);
      case 'answered':
        return this.#answer(message.link, message.sdp);
      case 'peer_lost':
        return this.#entries.get(message.link)?.link.close('transport');
      case 'friend':
        return void this.#friends.help(
          message.id,
          message.text,
          (request) => this.#broker?.ask(message.id, request) ?? false,
        );
      case 'nat':
        return this.#broker?.tell(message.nat);
      case 'stop':
        return this.#stop(null, DRAIN_MS);
      case 'leave':
        return this.#stop(null, 0);
    }
  }

  #allow({ people, lanes, mbit, bytes }: VolunteerLimits): void {
    this.#allowance = { people: Math.min(people, SLOTS), lanes: Math.min(lanes, LANES), mbit, bytes };
    this.#pace.limit(mbit);
  }

  async #start(invite: string): Promise<void> {
    try {
      this.#network = new DescriptorSource(parse(invite), this.#stopping.signal);
      this.#broker = new BrokerConversation(
        this.#network,
        {
          free: () => this.#free,
          placed: (country, caution) =>
            this.#change({ country, caution: caution && !this.#confirmed }),
          offer: (offer, reply) => this.#offered(offer, reply),
          friend: (reply) => void this.#friends.replied(reply),
          changed: (broker, reason, retry_s) => {
            this.#change({ broker, reason, retry_s });
            // Also after coming back: it may be from another network.
            if (broker === 'online') this.#look();
          },
        },
        this.#stopping.signal,
      );
      await this.#broker.run();
    } catch (error) {
      this.#stop(error instanceof Problem ? error.reason : 'internal', DRAIN_MS);
    }
  }

  /** How many more people can be helped right now. */
  get #free(): number {
    return this.#report.caution ? 0 : Math.max(0, this.#allowance.people - this.#people.size);
  }

  #look(): void {
    const stun = pick(this.#network?.descriptor?.stun ?? [], STUN_SERVERS);
    if (stun.length === STUN_SERVERS) this.#post({ type: 'look', stun });
  }

  #offered(offer: BrokerOffer, reply: OfferReply): void {
    if (this.#free === 0) return reply.decline('busy');
    const addresses = offer.description.candidates.map(([, ip]) => ip);
    this.#open(offer, new Person(offer.exit, offer.country, addresses), reply);
  }

  /** Open a lane beside `link`, over which `person` asked for it. */
  #asked(lane: control.Lane, person: Person, link: Link): void {
    const say = (message: control.RelayToClient) => link.say(control.encode(message));
    const reply: OfferReply = {
      answer: (description) => say({ type: 'lane_answer', lane: lane.lane, description }),
      decline: () => say({ type: 'lane_refused', lane: lane.lane }),
    };
    if (this.#stopping.signal.aborted || person.links >= this.#allowance.lanes || !person.ask()) {
      return reply.decline('busy');
    }
    this.#open(lane, person, reply);
  }

  #open({ ticket, description, patient = false }: Request, person: Person, reply: OfferReply): void {
    const descriptor = this.#network?.descriptor;
    const exit = descriptor?.exits.find(({ id }) => id === person.exit);
    if (!descriptor || !exit) return reply.decline('unknown_exit');
    // This browser must be the DTLS client: a genuine ClientHello is what a censor gets to see.
    if (description.setup === 'active') return reply.decline('unsupported');
    const connect = () => joinSocket(link, new WebSocket(exit.url, ['passerelle.v1', ticket]));
    const id = this.#next++;
    const link = new Link(
      this.#pace,
      {
        changed: () => this.#count(id),
        carried: (bytes) => this.#carried(bytes),
        heard: (message) => {
          if (message.type === 'lane') this.#asked(message, person, link);
          else this.#entries.get(id)?.film?.hear(message);
        },
        over: () => this.#over(id),
      },
      patient,
    );
    try {
      // The exit does not wait for a client that comes late.
      if (!patient) connect();
    } catch {
      link.close('internal');
      return reply.decline('failed');
    }
    const late = patient ? connect : null;
    this.#entries.set(id, {
      link,
      person,
      reply,
      connect: late,
      channel: null,
      answer: null,
      projector: null,
      film: null,
      isAnswered: false,
      isOpen: false,
    });
    this.#people.add(person);
    person.links += 1;
    this.#broker?.ready();
    const { media, ...plain } = vet(description, descriptor.private_candidates, person.addresses);
    this.#post({
      type: 'peer',
      link: id,
      sdp: toSdp(media && this.#media ? { ...plain, media: MEDIA_VERSION } : plain),
      stun: pick(descriptor.stun, STUN_SERVERS),
      patient,
    });
  }

  #channel(id: number, channel: RTCDataChannel): void {
    const entry = this.#entries.get(id);
    if (!entry) return channel.close();
    entry.channel = channel;
    this.#join(entry);
  }

  #film(id: number, reels: EncodedStreams): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.projector = frameSource(reels, () => this.#post({ type: 'shoot', link: id }));
    this.#join(entry);
  }

  #answer(id: number, sdp: string): void {
    const entry = this.#entries.get(id);
    if (!entry || entry.answer) return;
    try {
      const description = fromOwnSdp(sdp);
      if (description.setup !== 'active') throw new Problem('internal');
      // A stranger is not told of the network this browser is in.
      entry.answer = vet(description, this.#network?.descriptor?.private_candidates ?? false);
      this.#join(entry);
    } catch {
      entry.link.close('internal');
    }
  }

  /** Give the link its channel, and answer, once everything is here. */
  #join(entry: Entry): void {
    const { link, channel, connect, answer, projector, reply, isAnswered } = entry;
    if (isAnswered || !channel || !answer || (answer.media && !projector)) return;
    entry.isAnswered = true;
    joinChannel(link, channel, (port) => {
      if (!answer.media || !projector) return port;
      return (entry.film = new VideoSender(port, projector, () => link.roomy('client')));
    });
    reply.answer(answer);
    if (!connect) return;
    channel.addEventListener('open', () => {
      try {
        connect();
      } catch {
        link.close('internal');
      }
    });
  }

  #over(id: number): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    const { person, reply, isAnswered } = entry;
    if (!isAnswered) reply.decline('failed');
    this.#entries.delete(id);
    person.links -= 1;
    if (person.links === 0) this.#people.delete(person);
    this.#post({ type: 'peer_over', link: id });
    this.#broker?.ready();
    this.#conclude();
  }

  /** Count people by whether a link of theirs is open. */
  #count(id: number): void {
    const entry = this.#entries.get(id);
    if (!entry || entry.isOpen === entry.link.isOpen) return;
    entry.isOpen = entry.link.isOpen;
    const { person } = entry;
    person.open += entry.isOpen ? 1 : -1;
    const helped = this.#report.helped + (person.wasHelped ? 0 : 1);
    person.wasHelped = true;
    const crossing = [...this.#people].filter(({ open }) => open > 0).map(({ country }) => country);
    const people = crossing.length;
    if (people !== this.#report.people) this.#change({ people, helped, crossing });
  }

  #carried(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= this.#allowance.bytes) return this.#stop(null, 0);
    this.#timer ??= setTimeout(() => this.#change({}), REPORT_MS);
  }

  #change(part: Partial<RelayReport>): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#report = { ...this.#report, ...part, bytes: this.#bytes };
    this.#post({ type: 'report', report: this.#report });
  }

  #stop(reason: Reason | null, drain_ms: number): void {
    if (!this.#stopping.signal.aborted) {
      this.#reason = reason;
      this.#stopping.abort();
      this.#friends.stop();
    }
    for (const { link } of this.#entries.values()) link.drain(drain_ms);
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
