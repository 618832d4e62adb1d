/** Where the globe is: fetched when it is first shown, drawn only while it can be seen. */

import type { Snapshot } from '../core/switch/store';

type Module = typeof import('../map/globe');

export class LazyGlobe {
  readonly #place: HTMLElement;
  readonly #label: string;
  readonly #fetch: () => Promise<Module>;
  #drawn: InstanceType<Module['GlobeDrawing']> | null = null;
  #snapshot: Snapshot | null = null;
  #isLoading = false;

  constructor(place: HTMLElement, label: string, fetch: () => Promise<Module>) {
    this.#place = place;
    this.#label = label;
    this.#fetch = fetch;
  }

  show(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#drawn?.show(snapshot);
    if (!this.#drawn && !this.#isLoading) void this.#load();
  }

  hide(): void {
    this.#snapshot = null;
    this.#drawn?.end();
    this.#drawn = null;
    this.#place.hidden = true;
  }

  async #load(): Promise<void> {
    this.#isLoading = true;
    try {
      const { GlobeDrawing } = await this.#fetch();
      if (!this.#snapshot) return;
      this.#place.hidden = false;
      this.#drawn = new GlobeDrawing(this.#place, this.#label);
      this.#drawn.show(this.#snapshot);
    } catch {
      // The list of countries beside it says the same.
    } finally {
      this.#isLoading = false;
    }
  }
}
