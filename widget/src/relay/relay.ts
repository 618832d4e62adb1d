/** The relay: takes offers from the broker, makes and holds the links, and reports to the page. */

import { vet } from '../core/addresses/candidates';
import { PeerError, Problem, reasonOf, type Reason } from '../core/errors';
import {
  CALL_MBIT,
  LANES,
  OFFER_BURST,
  OFFERS_PER_S,
  SLOTS,
  SURPLUS_OFFER_BURST,
  SURPLUS_OFFERS_PER_S,
} from '../core/limits';
import type { VolunteerLimits } from '../core/switch/report';
import { Bucket } from '../core/traffic/bucket';
import * as control from '../core/wire/control';
import { CALL_MEDIA_VERSION, MEDIA_VERSION, type Description } from '../core/wire/description';
import { tagOf } from '../core/wire/family';
import { parse } from '../core/wire/invite';
import { fromOwnSdp, toSdp } from '../core/wire/sdp';
import type { BrokerOffer } from '../core/wire/signalling';
import { BrokerConversation, type OfferReply } from './broker';
import { DescriptorSource, STUN_SERVERS, stunServers } from './descriptor';
import { Exits, hostOf } from './exits';
import { FriendRequests } from './friends';
import { Link } from './link/link';
import { LinkMedia } from './link/media';
import { joinSocket } from './link/pipe';
import { Presence } from './link/presence';
import { RateLimiter } from './link/ratelimiter';
import { hum } from './link/sound';
import type { EncodedStreams, PageToRelay, RelayToPage } from './messages';
import { Person } from './person';
import { Reporter } from './reporter';
import { SelfTest } from './selftest';

/** The time for which links go on after people were asked to move to other volunteers. */
const DRAIN_MS = 1_200;

/** One link, with what is known about it. */
interface RelayedLink {
  readonly link: Link;
  readonly person: Person;
  readonly reply: OfferReply;
  /** The DataChannel; null until the page sends it. */
  channel: RTCDataChannel | null;
  /** The answer; null until the page sends it. */
  answer: Description | null;
  /** The video beside the channel, where there is one. */
  readonly media: LinkMedia;
  /** Opens the exit's side once the client's side is open; null when it was opened at once. */
  readonly connect: (() => void) | null;
  /** Whether the client asked for it over another link. */
  readonly isLane: boolean;
  /** Whether the client asked for a link that looks like a call. */
  readonly isCall: boolean;
  /** Whether the answer was sent to the client. */
  isAnswered: boolean;
  /** Whether the link was counted as open. */
  isOpen: boolean;
  /** Whether it ever was. */
  wasOpen: boolean;
  readonly presence: Presence;
}

/** The common part of an offer that the broker brings and of a lane that a client asks for. */
interface LinkRequest {
  readonly patient?: boolean;
  readonly ticket: string;
  readonly description: Description;
}

export class Relay {
  readonly #post: (message: RelayToPage) => void;
  readonly #links = new Map<number, RelayedLink>();
  readonly #people = new Set<Person>();
  readonly #limiter = new RateLimiter();
  readonly #friends: FriendRequests;
  readonly #exits: Exits;
  readonly #reporter: Reporter;
  readonly #selfTest: SelfTest;
  readonly #offers = new Bucket(OFFERS_PER_S, OFFER_BURST, performance.now());
  readonly #surplus = new Bucket(SURPLUS_OFFERS_PER_S, SURPLUS_OFFER_BURST, performance.now());
  /** Aborts when the relay begins to end. */
  readonly #stopping = new AbortController();
  /** Whether this browser can make media links. */
  #media = false;
  #descriptors: DescriptorSource | null = null;
  #broker: BrokerConversation | null = null;
  #limits: VolunteerLimits = { family: '', people: 0, lanes: 0, mbit: 0, bytes: 0 };
  /** Whether the visitor confirmed that they help although it may be dangerous. */
  #confirmed = false;
  /** The number of the next link. */
  #next = 1;
  /** Why the relay gave up by itself, or null. */
  #reason: Reason | null = null;
  #ended = false;
  /** Whether an exit does not let a WebSocket end. */
  #isStuck = false;

  /** `post` sends a message to the page. */
  constructor(post: (message: RelayToPage) => void) {
    this.#post = post;
    this.#exits = new Exits(() => this.#exitsChanged());
    this.#selfTest = new SelfTest({
      changed: () => this.#exitsChanged(),
      renew: () => this.#broker?.renew(),
      stuck: () => this.#stuck(),
    });
    this.#reporter = new Reporter(
      (report) => post({ type: 'report', report }),
      (report) => this.#selfTest.tell(report),
      () => this.#exits.rest_ms,
    );
    this.#friends = new FriendRequests({
      post,
      ask: (id, request) => this.#broker?.ask(id, request) ?? false,
    });
  }

  /** Take a message from the page. */
  handle(message: PageToRelay): void {
    switch (message.type) {
      case 'start':
        this.#confirmed = message.confirmed;
        this.#setLimits(message.limits);
        this.#media = message.media;
        this.#selfTest.begin(message.test);
        return void this.#start(message.invite);
      case 'limits':
        this.#setLimits(message.limits);
        return this.#broker?.ready();
      case 'confirm':
        this.#confirmed = true;
        this.#reporter.tell({ caution: false });
        // A test waited for the visitor's word, too, and its ticket may have expired.
        return this.#selfTest.isDue ? this.#broker?.renew() : this.#broker?.ready();
      case 'renew':
        if (message.test) this.#selfTest.begin(message.test);
        return this.#broker?.renew();
      case 'channel':
        return this.#channel(message.link, message.channel);
      case 'video':
        return this.#video(message.link, message.streams);
      case 'path':
        return this.#links.get(message.link)?.media.look(message.path);
      case 'sound':
        return hum(message.streams);
      case 'answered':
        return this.#answer(message.link, message.sdp);
      case 'silent':
        return this.#links.get(message.link)?.presence.silent(message.isSilent);
      case 'connection_lost':
        return this.#links.get(message.link)?.link.close('transport');
      case 'friend':
        return void this.#friends.help(message.id, message.text);
      case 'nat':
        this.#reporter.use.reaches(message.nat);
        this.#reporter.tell();
        return this.#broker?.tell(message.nat);
      case 'stop':
        return this.#stop(null, DRAIN_MS);
      case 'leave':
        return this.#stop(null, 0);
    }
  }

  /** The page's policy forbids a connection to `url`. */
  forbid(url: string): void {
    this.#post({ type: 'forbidden', url });
    const host = hostOf(url);
    this.#exits.forbid(host);
    this.#broker?.forbid(host);
    // Without a descriptor nothing but the invite's server was asked.
    if (!this.#descriptors?.descriptor || this.#exits.areForbidden) this.#stop('policy', DRAIN_MS);
  }

  #setLimits({ family, people, lanes, mbit, bytes }: VolunteerLimits): void {
    const isOther = family !== this.#limits.family;
    this.#limits = { family, people: Math.min(people, SLOTS), lanes: Math.min(lanes, LANES), mbit, bytes };
    if (isOther && this.#broker) {
      // Whoever is being helped now may not be of this family.
      for (const { link } of this.#links.values()) link.drain(DRAIN_MS);
      this.#broker.renew();
    }
    this.#limiter.setRate(mbit);
  }

  async #start(invite: string): Promise<void> {
    try {
      const network = parse(invite);
      this.#descriptors = new DescriptorSource(network, this.#stopping.signal, ({ exits }) =>
        this.#exits.know(exits),
      );
      this.#broker = new BrokerConversation(
        this.#descriptors,
        {
          free: () => this.#free,
          isIdle: () => this.#people.size === 0,
          family: async () => this.#limits.family && tagOf(this.#limits.family, network),
          placed: (country, caution, test) => {
            this.#reporter.tell({ country, caution: caution && !this.#confirmed });
            if (!this.#reporter.last.caution) this.#selfTest.welcome(test, this.#descriptors?.descriptor?.exits);
          },
          offer: (offer, reply) => this.#offered(offer, reply),
          friend: (reply) => void this.#friends.replied(reply),
          demand: (demand) => {
            if (this.#reporter.use.demands(demand)) this.#reporter.tell();
          },
          changed: (broker, reason, retry_s) => {
            this.#reporter.converse(broker, reason, retry_s);
            // A volunteer that comes back may do so from another network, behind another NAT.
            if (broker === 'online') this.#findNat();
          },
        },
        this.#stopping.signal,
      );
      await this.#broker.run();
    } catch (error) {
      this.#stop(reasonOf(error), DRAIN_MS);
    }
  }

  /** How many more people can be helped right now. */
  get #free(): number {
    if (this.#reporter.last.caution || this.#exits.rest_ms !== null || this.#selfTest.holdsBack) return 0;
    return Math.max(0, this.#limits.people - this.#present);
  }

  /** How many people take a place: those who are there over any of their links. */
  get #present(): number {
    const here = [...this.#links.values()].filter(({ presence }) => presence.isHere);
    return new Set(here.map(({ person }) => person)).size;
  }

  #exitsChanged(): void {
    this.#reporter.tell();
    this.#broker?.ready();
  }

  /** Ask the page for the class of this browser's NAT, which takes two STUN servers. */
  #findNat(): void {
    const stun = stunServers(this.#descriptors?.descriptor);
    if (stun.length === STUN_SERVERS) this.#post({ type: 'find_nat', stun });
  }

  /** Take or decline an offer. Throws PeerError when a broker makes far too many. */
  #offered(offer: BrokerOffer, reply: OfferReply): void {
    const now_ms = performance.now();
    if (this.#free === 0 || !this.#offers.take(1, now_ms)) {
      if (!this.#surplus.take(1, now_ms)) throw new PeerError('limit', 'many offers');
      return reply.decline('busy');
    }
    const addresses = offer.description.candidates.map(([, ip]) => ip);
    if (offer.description.media === CALL_MEDIA_VERSION && !this.#hasRoomForCall) return reply.decline('busy');
    this.#open(offer, new Person(offer.exit, offer.country, addresses), reply);
  }

  /** Whether one more call fits below the volunteer's limit, of which each takes some even while it carries nothing. */
  get #hasRoomForCall(): boolean {
    const calls = [...this.#links.values()].filter(({ isCall }) => isCall).length;
    return (calls + 1) * CALL_MBIT <= this.#limits.mbit;
  }

  /** Open a lane for `person`, who asked for it over `link`. */
  #asked(lane: control.Lane, person: Person, link: Link): void {
    const say = (message: control.RelayToClient) => link.say(control.encode(message));
    const reply: OfferReply = {
      answer: (description) => say({ type: 'lane_answer', lane: lane.lane, description }),
      decline: () => say({ type: 'lane_refused', lane: lane.lane }),
    };
    if (this.#stopping.signal.aborted || person.links >= this.#limits.lanes || !person.mayAskForLane()) {
      return reply.decline('busy');
    }
    this.#open(lane, person, reply, true);
  }

  /** Make a link for `person`. */
  #open(
    { ticket, description, patient = false }: LinkRequest,
    person: Person,
    reply: OfferReply,
    isLane = false,
  ): void {
    const descriptor = this.#descriptors?.descriptor;
    const exit = descriptor?.exits.find(({ id }) => id === person.exit);
    if (!descriptor || !exit) return reply.decline('unknown_exit');
    if (!this.#exits.mayConnect(exit.id)) return reply.decline('failed');
    // This browser must be the DTLS client, so that a censor sees a genuine browser's ClientHello.
    if (description.setup === 'active') return reply.decline('unsupported');
    const connect = () =>
      joinSocket(link, new WebSocket(exit.url, ['passerelle.v1', ticket]), () => this.#stuck());
    const id = this.#next++;
    const link = new Link(
      this.#limiter,
      {
        changed: () => {
          if (link.reached) this.#exits.opened(exit.id);
          this.#count(id);
        },
        carried: (bytes) => this.#carried(bytes),
        heard: (message) => {
          if (message.type === 'lane') this.#asked(message, person, link);
          else this.#links.get(id)?.media.hear(message);
        },
        over: () => this.#over(id),
      },
      patient,
    );
    try {
      // An exit gives up a link whose client does not come soon. So a patient link connects to the exit
      // only once the client is there.
      if (!patient) connect();
    } catch {
      link.close('internal');
      return reply.decline('failed');
    }
    const late = patient ? connect : null;
    const presence: Presence = new Presence({
      changed: () => this.#comeOrGone(link, presence),
      gone: () => link.close('transport'),
    });
    this.#links.set(id, {
      link,
      person,
      reply,
      connect: late,
      channel: null,
      answer: null,
      media: new LinkMedia({
        makePicture: (pixels) => this.#post({ type: 'picture', link: id, pixels }),
        findRate: () => this.#post({ type: 'find_rate', link: id }),
        spent: (bytes) => {
          this.#limiter.charge(bytes);
          this.#carried(bytes);
        },
      }),
      isLane,
      isCall: description.media === CALL_MEDIA_VERSION,
      isAnswered: false,
      isOpen: false,
      wasOpen: false,
      presence,
    });
    this.#people.add(person);
    person.links += 1;
    this.#broker?.ready();
    const { media, ...plain } = vet(description, descriptor.private_candidates, person.addresses);
    this.#post({
      type: 'connect',
      link: id,
      sdp: toSdp(media && this.#media ? { ...plain, media: known(media) } : plain),
      stun: stunServers(descriptor),
      patient,
    });
  }

  #channel(id: number, channel: RTCDataChannel): void {
    const entry = this.#links.get(id);
    if (!entry) return channel.close();
    entry.channel = channel;
    this.#join(entry);
  }

  #video(id: number, streams: EncodedStreams): void {
    const entry = this.#links.get(id);
    if (!entry) return;
    entry.media.add(streams);
    this.#join(entry);
  }

  #answer(id: number, sdp: string): void {
    const entry = this.#links.get(id);
    if (!entry || entry.answer) return;
    try {
      const description = fromOwnSdp(sdp);
      if (description.setup !== 'active') throw new Problem('internal');
      // A stranger must not learn the addresses inside the network of this browser.
      entry.answer = vet(description, this.#descriptors?.descriptor?.private_candidates ?? false);
      this.#join(entry);
    } catch {
      entry.link.close('internal');
    }
  }

  /** Give the link its channel and send the answer, once both are here, and for a media link its frames. */
  #join(entry: RelayedLink): void {
    const { link, channel, connect, answer, media, reply, isAnswered } = entry;
    if (isAnswered || !channel || !answer || !media.isReady(answer.media)) return;
    entry.isAnswered = true;
    media.join(link, channel, answer.media);
    reply.answer(answer);
    // People who carry the answer by hand take their time.
    if (!connect) return entry.presence.expect();
    channel.addEventListener('open', () => {
      try {
        connect();
      } catch {
        link.close('internal');
      }
    });
  }

  /** The client of `link` is there, or may be gone. Who comes back gives way where somebody else has the place by then. */
  #comeOrGone(link: Link, { isHere }: Presence): void {
    if (isHere && this.#present > this.#limits.people) link.drain(DRAIN_MS);
    this.#broker?.ready();
  }

  /** A link has closed on both sides. */
  #over(id: number): void {
    const entry = this.#links.get(id);
    if (!entry) return;
    const { link, person, reply, connect, isAnswered, isLane } = entry;
    if (!isAnswered) reply.decline('failed');
    // The ticket of a lane comes from the client, who could make an exit seem out of reach with a bad one. The
    // exit of a patient link was asked only if the client came.
    if (!isLane && !connect && link.reached === false) this.#exits.failed(person.exit);
    if (isAnswered && !isLane && !entry.wasOpen) {
      this.#reporter.use.fails();
      this.#reporter.tell();
    }
    entry.presence.end();
    entry.media.close();
    this.#links.delete(id);
    person.links -= 1;
    if (person.links === 0) this.#people.delete(person);
    this.#post({ type: 'disconnect', link: id });
    if (link.offender === 'exit') this.#shun(person.exit);
    this.#broker?.ready();
    this.#conclude();
  }

  /** An exit does not let a WebSocket end, which may go on bringing bytes. Only the end of this Worker ends it. */
  #stuck(): void {
    this.#isStuck = true;
    this.#stop('exit_garbled', DRAIN_MS);
  }

  /** The exit `id` broke the rules. All links to it end. */
  #shun(id: string): void {
    this.#exits.shun(id);
    for (const { link, person } of this.#links.values()) if (person.exit === id) link.close('limit');
    if (this.#exits.areShunned) this.#stop('exit_garbled', DRAIN_MS);
  }

  /** Count the link as open or closed. A person with an open link is being helped. */
  #count(id: number): void {
    const entry = this.#links.get(id);
    if (!entry || entry.isOpen === entry.link.isOpen) return;
    entry.isOpen = entry.link.isOpen;
    entry.wasOpen = true;
    entry.presence.come();
    const { person } = entry;
    person.open += entry.isOpen ? 1 : -1;
    const { last, use } = this.#reporter;
    const helped = last.helped + (person.wasHelped ? 0 : 1);
    person.wasHelped = true;
    const crossing = [...this.#people].filter(({ open }) => open > 0).map(({ country }) => country);
    const people = crossing.length;
    if (people === last.people) return;
    use.helps();
    this.#reporter.tell({ people, helped, crossing });
  }

  #carried(bytes: number): void {
    if (this.#reporter.carry(bytes) >= this.#limits.bytes) return this.#stop(null, 0);
    this.#reporter.tellLater();
  }

  /** Begin to end. Links go on for `drain_ms`, so that people can move to other volunteers. */
  #stop(reason: Reason | null, drain_ms: number): void {
    if (!this.#stopping.signal.aborted) {
      this.#reason = reason;
      this.#stopping.abort();
      this.#friends.stop();
      this.#exits.stop();
      this.#selfTest.stop();
    }
    for (const { link } of this.#links.values()) link.drain(drain_ms);
    this.#conclude();
  }

  /** Say that the relay has ended, once it should and no link is left. */
  #conclude(): void {
    if (this.#ended || !this.#stopping.signal.aborted || this.#links.size > 0) return;
    this.#ended = true;
    this.#reporter.tell();
    this.#post({ type: 'ended', reason: this.#reason, isStuck: this.#isStuck });
  }
}

/** Return the format of frames for a client whose newest one is `media`. A call is for those who ask for it. */
function known(media: number): number {
  return media === CALL_MEDIA_VERSION ? media : Math.min(media, MEDIA_VERSION);
}
