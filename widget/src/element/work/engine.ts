/** What a page needs while its switch is on, besides the Worker. It is fetched when this tab is to lead.
 *
 * It hosts one run of the relay after another, watches for reasons to pause, and counts what is given.
 */

import type { Reason } from '../../core/errors';
import { RESTARTS } from '../../core/limits';
import type { Figures } from '../../core/switch/figures';
import type { RelayReport, VolunteerLimits } from '../../core/switch/report';
import { MEGABYTE, pauseReason, type PauseReason, type SwitchSettings } from '../../core/switch/settings';
import type { TestBounds } from '../../core/switch/speed';
import type { SiteStorage } from '../site/storage';
import { ConditionsWatcher } from './conditions';
import { FigureCounter } from './figurecounter';
import { RelayHost } from './relayhost';
import { SpeedMemory } from './speedmemory';

/** What the page gives to the engine, and takes from it. */
export interface EnginePage {
  readonly invite: string;
  /** The settings in force; undefined when no element is left. */
  readonly settings: SwitchSettings | undefined;
  /** Whether no tab of the site is visible. */
  readonly isHidden: boolean;
  readonly storage: SiteStorage;
  figures(figures: Figures): void;
  /** There is a reason to pause, or none any more. */
  pause(pause: PauseReason | null): void;
  report(report: RelayReport): void;
  /** The relay has closed everything. `reason` is set when it ended by itself. */
  ended(reason: Reason | null): void;
}

export class Engine {
  readonly #page: EnginePage;
  readonly #conditions: ConditionsWatcher;
  readonly #counter: FigureCounter;
  readonly #speed: SpeedMemory;
  /** The run of the relay; null while there is none. */
  #host: RelayHost | null = null;
  /** The day of the last check. With a new day, the bytes of a day start again at 0. */
  #day = '';
  /** Whether the visitor confirmed that they help although it may be dangerous. */
  #confirmed = false;
  #restarts = 0;
  /** Whether the visitor, or a reason to pause, ends the relay. */
  #isEnding = false;

  constructor(page: EnginePage) {
    this.#page = page;
    this.#counter = new FigureCounter(page.storage, () => this.adjust());
    this.#speed = new SpeedMemory(page.storage);
    this.#conditions = new ConditionsWatcher({
      changed: () => this.check(),
      moved: (isOther) => this.#host?.renew(isOther ? this.#speed.again(this.#testBounds) : null),
    });
  }

  /** Begin to watch. The promise resolves once it is known whether there is a reason to pause. */
  async watch(): Promise<void> {
    await this.#conditions.start();
    this.check();
  }

  /** Watch no more. */
  rest(): void {
    this.#conditions.stop();
  }

  /** Start the relay. `confirmed` says that the visitor confirmed before that they help although it may be
   * dangerous. */
  begin(confirmed: boolean): void {
    this.#confirmed = confirmed;
    this.#isEnding = false;
    this.#counter.begin();
    const host = new RelayHost(this.#limits, {
      report: (report) => {
        this.#counter.take(report);
        this.#page.report(report);
        if (this.#speed.take(report)) this.adjust();
        else this.check();
      },
      ended: (reason, isStuck) => {
        this.#host = null;
        this.#counter.end();
        this.check();
        if (isStuck) this.#speed.giveUp();
        // An exit that crashed does not answer either, so one that does not is no reason to turn off at first.
        if (isStuck && !this.#isEnding && this.#restarts++ < RESTARTS) this.begin(this.#confirmed);
        else this.#page.ended(reason);
      },
    });
    this.#host = host;
    void host.start(this.#page.invite, confirmed, this.#speed.plan(this.#testBounds));
  }

  /** Let people move to other volunteers, and end the relay. */
  end(): void {
    this.#isEnding = true;
    this.#host?.stop();
  }

  /** End the relay at once, because the page is being left. */
  leave(): void {
    this.#isEnding = true;
    if (this.#host) this.#counter.end();
    this.#host?.leave();
    this.#conditions.stop();
  }

  confirm(): void {
    this.#confirmed = true;
    this.#host?.confirm();
  }

  /** Return the answer to a reader's text; undefined while no relay runs. Rejects with FriendProblem. */
  help(text: string): Promise<string> | undefined {
    return this.#host?.help(text);
  }

  /** Take settings that may have changed. */
  adjust(): void {
    // An element that is being moved within the page has its settings again in a moment.
    if (!this.#page.settings) return;
    this.#host?.setLimits(this.#limits);
    this.check();
  }

  /** Set all figures to 0. */
  forget(): void {
    this.#counter.forget();
    this.#page.figures(this.#counter.figures);
  }

  /** Count the time that went by, and check whether there is a reason to pause. */
  check(): void {
    const { settings, isHidden } = this.#page;
    if (!settings) return;
    this.#counter.tick();
    const { figures } = this.#counter;
    this.#page.figures(figures);
    const bytes = figures.today.bytes + this.#speed.bytes;
    const day = this.#page.storage.today();
    if (day !== this.#day) this.#host?.setLimits(this.#limits);
    this.#day = day;
    this.#page.pause(pauseReason(settings, { ...this.#conditions.now, hidden: isHidden, bytes }));
  }

  get #limits(): VolunteerLimits {
    const { family = '', people = 0, lanes = 0, mbit = 0, megabytes = 0 } = this.#page.settings ?? {};
    return { family, people, lanes, mbit, bytes: this.#counter.bytes + this.#left(megabytes * MEGABYTE) };
  }

  /** Return how many of a day's bytes are left. */
  #left(day_bytes: number): number {
    return Math.max(0, day_bytes - this.#counter.figures.today.bytes - this.#speed.bytes);
  }

  get #testBounds(): TestBounds {
    const { mbit = 0, megabytes = 0 } = this.#page.settings ?? {};
    const day_bytes = megabytes * MEGABYTE;
    return { day_bytes, left_bytes: this.#left(day_bytes), mbit, isMetered: this.#conditions.now.metered };
  }
}
