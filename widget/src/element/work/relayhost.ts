/** One stretch of being on: fetches the relay, runs it in a Worker, makes its PeerConnections.
 *
 * Nothing is fetched or connected before `start`. Everything ends with the session's one
 * AbortController.
 */

import { Problem, type Reason } from '../../core/errors';
import type { VolunteerLimits, FriendFailure, RelayToPage, RelayReport, PageToRelay } from '../../core/switch/report';
import { canSendVideo } from './video';
import { findClass } from './nat';
import { canRelay, PeerConnection } from './connection';

/** From stopping to nothing left: the relay drains for most of it. */
const STOP_MS = 1_500;
/** For the Worker to say that it runs. */
const LOADED_MS = 10_000;

export interface RelayHostEvents {
  /** Fetch the relay's script, checked. Throws Problem. */
  relay(signal: AbortSignal): Promise<ArrayBuffer>;
  report(report: RelayReport): void;
  /** Everything is closed; `reason` when it was not asked for. Sent once. */
  ended(reason: Reason | null): void;
}

interface PendingText {
  resolve(text: string): void;
  reject(problem: FriendProblem): void;
}

/** Why a friend's text brought no answer. */
export class FriendProblem extends Error {
  constructor(readonly reason: FriendFailure) {
    super(reason);
  }
}

export class RelayHost {
  readonly #events: RelayHostEvents;
  readonly #over = new AbortController();
  readonly #peers = new Map<number, PeerConnection>();
  readonly #asked = new Map<number, PendingText>();
  #next = 0;
  readonly #looking = new AbortController();
  #worker: Worker | null = null;
  #isStopping = false;
  #allowance: VolunteerLimits;

  constructor(allowance: VolunteerLimits, events: RelayHostEvents) {
    this.#allowance = allowance;
    this.#events = events;
  }

  /** `confirmed`: the visitor has said the second yes before. */
  async start(invite: string, confirmed: boolean): Promise<void> {
    try {
      if (!globalThis.isSecureContext || !crypto.subtle) throw new Problem('insecure');
      const ability = canRelay();
      if (ability !== 'yes') throw new Problem(ability);
      const worker = await this.#load();
      if (this.#over.signal.aborted) return worker.terminate();
      this.#worker = worker;
      worker.onmessage = ({ data }: MessageEvent<RelayToPage>) => this.#handle(data);
      worker.onerror = () => this.#finish('internal');
      this.#post({ type: 'start', invite, allowance: this.#allowance, confirmed, media: canSendVideo() });
    } catch (error) {
      this.#finish(error instanceof Problem ? error.reason : 'internal');
    }
  }

  /** Give at most this from now on. */
  allow(allowance: VolunteerLimits): void {
    this.#allowance = allowance;
    this.#post({ type: 'allow', allowance });
  }

  /** Help although it may be dangerous here. */
  confirm(): void {
    this.#post({ type: 'confirm' });
  }

  /** Call the broker anew. */
  renew(): void {
    this.#post({ type: 'renew' });
  }

  /** Answer a reader's text; rejects with FriendProblem. */
  help(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(new FriendProblem('off'));
      const id = this.#next++;
      this.#asked.set(id, { resolve, reject });
      this.#post({ type: 'friend', id, text });
    });
  }

  /** Let people move to other volunteers, then close everything; over within 1.5 s. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#looking.abort();
    if (!this.#worker) return this.#finish(null);
    this.#post({ type: 'stop' });
    this.#expire();
  }

  /** Close everything at once: the page is going, and nothing can be waited for. */
  leave(): void {
    this.#isStopping = true;
    this.#looking.abort();
    if (!this.#worker) return this.#finish(null);
    this.#post({ type: 'leave' });
    for (const peer of this.#peers.values()) peer.close();
    this.#expire();
  }

  #expire(): void {
    const timer = setTimeout(() => this.#finish(null), STOP_MS);
    this.#over.signal.addEventListener('abort', () => clearTimeout(timer));
  }

  async #load(): Promise<Worker> {
    // A Worker's script must be of the page's origin; a Blob is, wherever the text came from.
    const text = await this.#events.relay(this.#over.signal);
    const source = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    let worker: Worker | undefined;
    try {
      worker = new Worker(trusted(source), { name: 'passerelle' });
      await this.#loaded(worker);
      return worker;
    } catch {
      worker?.terminate();
      throw new Problem('worker');
    } finally {
      URL.revokeObjectURL(source);
    }
  }

  /** Wait for the first message. A page's policy that forbids the Worker makes an error of it. */
  #loaded(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(reject, LOADED_MS);
      const settle = (done: () => void) => () => {
        clearTimeout(timer);
        done();
      };
      worker.onmessage = settle(resolve);
      worker.onerror = settle(reject);
      this.#over.signal.addEventListener('abort', settle(reject));
    });
  }

  #handle(message: RelayToPage): void {
    switch (message.type) {
      case 'loaded':
        return;
      case 'report':
        return this.#events.report(message.report);
      case 'peer':
        return this.#connect(message.link, message.sdp, message.stun, message.patient);
      case 'shoot':
        return this.#peers.get(message.link)?.shoot();
      case 'friend_answer':
        return this.#settle(message.id)?.resolve(message.text);
      case 'friend_fault':
        return this.#settle(message.id)?.reject(new FriendProblem(message.fault));
      case 'peer_over':
        this.#peers.get(message.link)?.close();
        this.#peers.delete(message.link);
        return;
      case 'look':
        return void this.#look(message.stun);
      case 'ended':
        return this.#finish(message.reason);
    }
  }

  #settle(id: number): PendingText | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }

  async #look(stun: readonly string[]): Promise<void> {
    const nat = await findClass(stun, this.#looking.signal);
    if (!this.#looking.signal.aborted) this.#post({ type: 'nat', nat });
  }

  #connect(link: number, sdp: string, stun: readonly string[], patient: boolean): void {
    try {
      const peer = new PeerConnection(stun, patient, {
        channel: (channel) =>
          this.#post({ type: 'channel', link, channel }, channel as unknown as Transferable),
        reels: (reels) => {
          const streams = [reels.readable, reels.writable, reels.frames];
          this.#post({ type: 'video', link, reels }, ...streams.filter((stream) => stream !== null));
        },
        // Without a Worker there would be no relay to ask for a peer.
        transform: () => new RTCRtpScriptTransform(this.#worker as Worker, { link }),
        answered: (own) => this.#post({ type: 'answered', link, sdp: own }),
        lost: () => this.#post({ type: 'peer_lost', link }),
      });
      this.#peers.set(link, peer);
      void peer.answer(sdp);
    } catch {
      this.#post({ type: 'peer_lost', link });
    }
  }

  #post(message: PageToRelay, ...transfer: Transferable[]): void {
    this.#worker?.postMessage(message, transfer);
  }

  #finish(reason: Reason | null): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#looking.abort();
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    this.#worker?.terminate();
    this.#worker = null;
    for (const { reject } of this.#asked.values()) reject(new FriendProblem('off'));
    this.#asked.clear();
    this.#events.ended(reason);
  }
}

interface Policy {
  createScriptURL(url: string): string;
}

let policy: Policy | undefined;

/** Vouch for a Blob's URL where the page demands Trusted Types; policies are made once a page. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as {
    trustedTypes?: { createPolicy(name: string, rules: Policy): Policy };
  };
  policy ??= trustedTypes?.createPolicy('passerelle', { createScriptURL: (given) => given });
  return policy?.createScriptURL(url) ?? url;
}
