/** What a page needs while its switch is on, besides the Worker: fetched when this tab is to lead.
 *
 * Runs one session after another, watches for reasons to pause, and counts.
 */

import type { Reason } from '../../core/errors';
import type { VolunteerLimits, RelayReport } from '../../core/switch/report';
import { pauseReason, type PauseReason, type SwitchSettings } from '../../core/switch/settings';
import type { Figures } from '../../core/switch/store';
import { ConditionsWatcher } from './conditions';
import { FigureCounter } from './figurecounter';
import type { SiteStorage } from '../site/storage';
import { RelayHost } from './relayhost';

export interface EngineHost {
  readonly invite: string;
  readonly settings: SwitchSettings | undefined;
  /** Whether no tab of the site is visible. */
  readonly isHidden: boolean;
  readonly keep: SiteStorage;
  /** The relay's script. */
  relay(signal: AbortSignal): Promise<ArrayBuffer>;
  figures(figures: Figures): void;
  pause(pause: PauseReason | null): void;
  report(report: RelayReport): void;
  ended(reason: Reason | null): void;
}

export class Engine {
  readonly #host: EngineHost;
  readonly #around: ConditionsWatcher;
  readonly #counter: FigureCounter;
  #session: RelayHost | null = null;
  /** Of the last look: with a new day the bytes of a day begin anew. */
  #day = '';

  constructor(host: EngineHost) {
    this.#host = host;
    this.#counter = new FigureCounter(host.keep);
    this.#around = new ConditionsWatcher({
      changed: () => this.look(),
      moved: () => this.#session?.renew(),
    });
  }

  /** Watch; kept once it is known whether there is a reason to pause. */
  async watch(): Promise<void> {
    await this.#around.start();
    this.look();
  }

  rest(): void {
    this.#around.stop();
  }

  begin(confirmed: boolean): void {
    this.#counter.begin();
    const session = new RelayHost(this.#allowance, {
      relay: (signal) => this.#host.relay(signal),
      report: (report) => {
        this.#counter.take(report);
        this.#host.report(report);
        this.look();
      },
      ended: (reason) => {
        this.#session = null;
        this.#counter.end();
        this.look();
        this.#host.ended(reason);
      },
    });
    this.#session = session;
    void session.start(this.#host.invite, confirmed);
  }

  /** Let people move, and end. */
  end(): void {
    this.#session?.stop();
  }

  /** End at once: the page goes. */
  leave(): void {
    if (this.#session) this.#counter.end();
    this.#session?.leave();
    this.#around.stop();
  }

  confirm(): void {
    this.#session?.confirm();
  }

  /** Answer a reader's text; undefined where nothing runs. Rejects with FriendProblem. */
  help(text: string): Promise<string> | undefined {
    return this.#session?.help(text);
  }

  /** Settings may be others now. */
  adjust(): void {
    this.#session?.allow(this.#allowance);
    this.look();
  }

  forget(): void {
    this.#counter.forget();
    this.#host.figures(this.#counter.figures);
  }

  /** See what time it is, and whether there is a reason to pause. */
  look(): void {
    const { settings, isHidden } = this.#host;
    if (!settings) return;
    this.#counter.look();
    const { figures } = this.#counter;
    this.#host.figures(figures);
    const { bytes } = figures.today;
    const day = this.#host.keep.today();
    if (day !== this.#day) this.#session?.allow(this.#allowance);
    this.#day = day;
    this.#host.pause(pauseReason(settings, { ...this.#around.now, hidden: isHidden, bytes }));
  }

  get #allowance(): VolunteerLimits {
    const { people = 0, lanes = 0, mbit = 0, megabytes = 0 } = this.#host.settings ?? {};
    const left = Math.max(0, megabytes * 1e6 - this.#counter.figures.today.bytes);
    return { people, lanes, mbit, bytes: this.#counter.bytes + left };
  }
}
