/** Hosts one run of the relay: fetches its script, runs it in a Worker, and makes its PeerConnections.
 *
 * Nothing is fetched or connected before `start`. One AbortController ends everything.
 */

import { Problem, reasonOf, type FriendFailure, type Reason } from '../../core/errors';
import type { RelayReport, TestPlan, VolunteerLimits } from '../../core/switch/report';
import type { PageToRelay, RelayToPage } from '../../relay/messages';
import { fetchWorker } from '../files/files';
import { canRelay, PeerConnection } from './connection';
import { findNatClass } from './nat';
import { canSendVideo } from './video';

/** The time from `stop` until nothing is left. For most of it the relay lets people move. */
const STOP_MS = 1_500;
/** The time in which the Worker must say that it runs. */
const LOADED_MS = 10_000;

export interface RelayHostEvents {
  report(report: RelayReport): void;
  /** Everything is closed. `reason` is set when the relay ended by itself, and `isStuck` says that it was for an exit
   * that did not let go. This event comes once. */
  ended(reason: Reason | null, isStuck: boolean): void;
}

/** Settles the promise for a reader's text. */
interface PendingText {
  resolve(text: string): void;
  reject(problem: FriendProblem): void;
}

/** A reader's text brought no answer, for `reason`. */
export class FriendProblem extends Error {
  constructor(readonly reason: FriendFailure) {
    super(reason);
  }
}

export class RelayHost {
  readonly #events: RelayHostEvents;
  /** Aborts when everything is closed. */
  readonly #over = new AbortController();
  readonly #connections = new Map<number, PeerConnection>();
  readonly #texts = new Map<number, PendingText>();
  /** The number of the next text. */
  #next = 0;
  /** Aborts when the NAT need not be known any more. */
  readonly #findingNat = new AbortController();
  #worker: Worker | null = null;
  #isStopping = false;
  #limits: VolunteerLimits;

  constructor(limits: VolunteerLimits, events: RelayHostEvents) {
    this.#limits = limits;
    this.#events = events;
  }

  /** Begin. `confirmed` says that the visitor confirmed before that they help although it may be dangerous, and `test`
   * how to find out how fast this device is. Never rejects. */
  async start(invite: string, confirmed: boolean, test: TestPlan): Promise<void> {
    try {
      if (!globalThis.isSecureContext || !crypto.subtle) throw new Problem('insecure');
      const ability = canRelay();
      if (ability !== 'yes') throw new Problem(ability);
      const worker = await this.#load();
      if (this.#over.signal.aborted) return worker.terminate();
      this.#worker = worker;
      worker.onmessage = ({ data }: MessageEvent<RelayToPage>) => this.#handle(data);
      worker.onerror = () => this.#finish('internal');
      this.#post({ type: 'start', invite, limits: this.#limits, confirmed, media: canSendVideo(), test });
    } catch (error) {
      this.#finish(reasonOf(error));
    }
  }

  /** Change the limits. */
  setLimits(limits: VolunteerLimits): void {
    this.#limits = limits;
    this.#post({ type: 'limits', limits });
  }

  /** The visitor helps although it may be dangerous where they are. */
  confirm(): void {
    this.#post({ type: 'confirm' });
  }

  /** Call the broker again, and make another test of this device's rate where there is a `test`. */
  renew(test: TestPlan | null): void {
    this.#post({ type: 'renew', test });
  }

  /** Resolve to the answer to a reader's text. Rejects with FriendProblem. */
  help(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(new FriendProblem('off'));
      const id = this.#next++;
      this.#texts.set(id, { resolve, reject });
      this.#post({ type: 'friend', id, text });
    });
  }

  /** Let people move to other volunteers, then close everything. All is over within 1.5 s. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#findingNat.abort();
    if (!this.#worker) return this.#finish(null);
    this.#post({ type: 'stop' });
    this.#expire();
  }

  /** Close everything at once, because a page that is being left cannot wait for anything. */
  leave(): void {
    this.#isStopping = true;
    this.#findingNat.abort();
    if (!this.#worker) return this.#finish(null);
    this.#post({ type: 'leave' });
    for (const connection of this.#connections.values()) connection.close();
    this.#expire();
  }

  /** Close everything after STOP_MS, whatever the relay does. */
  #expire(): void {
    const timer = setTimeout(() => this.#finish(null), STOP_MS);
    this.#over.signal.addEventListener('abort', () => clearTimeout(timer));
  }

  async #load(): Promise<Worker> {
    const source = await fetchWorker('relay', this.#over.signal);
    let worker: Worker | undefined;
    try {
      worker = new Worker(trusted(source), { name: 'passerelle' });
      await this.#loaded(worker);
      return worker;
    } catch (error) {
      worker?.terminate();
      if (error instanceof Problem) throw error;
      warnOfPolicy('a Worker from a blob: URL');
      throw new Problem('policy');
    } finally {
      URL.revokeObjectURL(source);
    }
  }

  /** Wait for the Worker's first message. It fails if the page's policy forbids the Worker. */
  #loaded(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      // A machine that is slow says nothing about the policy.
      const timer = setTimeout(() => reject(new Problem('internal')), LOADED_MS);
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
      case 'connect':
        return this.#connect(message.link, message.sdp, message.stun, message.patient);
      case 'picture':
        return this.#connections.get(message.link)?.makePicture(message.pixels);
      case 'find_rate':
        return void this.#findRate(message.link);
      case 'friend_answer':
        return this.#settle(message.id)?.resolve(message.text);
      case 'friend_failed':
        return this.#settle(message.id)?.reject(new FriendProblem(message.reason));
      case 'disconnect':
        this.#connections.get(message.link)?.close();
        this.#connections.delete(message.link);
        return;
      case 'forbidden':
        return warnOfPolicy(message.url);
      case 'find_nat':
        return void this.#findNat(message.stun);
      case 'ended':
        return this.#finish(
          message.reason === 'old_browser' && isSandboxed() ? 'policy' : message.reason,
          message.isStuck,
        );
    }
  }

  #settle(id: number): PendingText | undefined {
    const text = this.#texts.get(id);
    this.#texts.delete(id);
    return text;
  }

  async #findRate(link: number): Promise<void> {
    const path = await this.#connections.get(link)?.path();
    if (path) this.#post({ type: 'path', link, path });
  }

  async #findNat(stun: readonly string[]): Promise<void> {
    const nat = await findNatClass(stun, this.#findingNat.signal);
    if (!this.#findingNat.signal.aborted) this.#post({ type: 'nat', nat });
  }

  #connect(link: number, sdp: string, stun: readonly string[], patient: boolean): void {
    try {
      const connection = new PeerConnection(stun, patient, {
        channel: (channel) =>
          this.#post({ type: 'channel', link, channel }, channel as unknown as Transferable),
        video: (streams) => {
          const { readable, writable, pictures } = streams;
          const moved = pictures ? [readable, writable, pictures] : [readable, writable];
          this.#post({ type: 'video', link, streams }, ...moved);
        },
        // The relay asked for this connection, so its Worker is there.
        transform: (incoming, look) =>
          new RTCRtpScriptTransform(this.#worker as Worker, { link, incoming, look }),
        sound: (streams) => {
          this.#post({ type: 'sound', streams }, streams.readable, streams.writable, streams.samples);
        },
        answered: (own) => this.#post({ type: 'answered', link, sdp: own }),
        silent: (isSilent) => this.#post({ type: 'silent', link, isSilent }),
        lost: () => this.#post({ type: 'connection_lost', link }),
      });
      this.#connections.set(link, connection);
      void connection.answer(sdp);
    } catch {
      this.#post({ type: 'connection_lost', link });
    }
  }

  #post(message: PageToRelay, ...transfer: Transferable[]): void {
    this.#worker?.postMessage(message, transfer);
  }

  #finish(reason: Reason | null, isStuck = false): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#findingNat.abort();
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    this.#worker?.terminate();
    this.#worker = null;
    for (const { reject } of this.#texts.values()) reject(new FriendProblem('off'));
    this.#texts.clear();
    this.#events.ended(reason, isStuck);
  }
}

/** Tell the publisher on the console what the page's policy forbids. */
function warnOfPolicy(what: string): void {
  console.warn(
    `passerelle-switch: this page's Content-Security-Policy forbids ${what}. ` +
      "The network's page /embed has the lines that the policy needs.",
  );
}

/** Return whether the page has no origin of its own, and tell the publisher so. Chromium gives such a page's Worker no
 * WebCrypto, as if the browser were too old. */
function isSandboxed(): boolean {
  const isSandboxed = globalThis.origin === 'null';
  if (isSandboxed) console.warn('passerelle-switch: this page is in a sandbox that lacks allow-same-origin.');
  return isSandboxed;
}

/** A policy of Trusted Types. */
interface Policy {
  createScriptURL(url: string): string;
}

let policy: Policy | undefined;

/** Return a Blob's URL for the Worker. Where the page demands Trusted Types, it goes through a policy, which
 * can be made only once on a page. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as {
    trustedTypes?: { createPolicy(name: string, rules: Policy): Policy };
  };
  policy ??= trustedTypes?.createPolicy('passerelle', { createScriptURL: (given) => given });
  return policy?.createScriptURL(url) ?? url;
}
