/** Fetches the globe when it is first shown, and lets it draw only while it is shown. */

import type { Snapshot } from '../core/switch/store';
import { importFile } from '../element/files/files';

type GlobeFile = typeof import('../map/globe');

export class LazyGlobe {
  readonly #container: HTMLElement;
  readonly #label: string;
  #drawing: InstanceType<GlobeFile['GlobeDrawing']> | null = null;
  /** What the globe should show; null while it is hidden. */
  #snapshot: Snapshot | null = null;
  #isLoading = false;

  constructor(container: HTMLElement, label: string) {
    this.#container = container;
    this.#label = label;
  }

  show(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#drawing?.show(snapshot);
    if (!this.#drawing && !this.#isLoading) void this.#load();
  }

  hide(): void {
    this.#snapshot = null;
    this.#drawing?.end();
    this.#drawing = null;
    this.#container.hidden = true;
  }

  async #load(): Promise<void> {
    this.#isLoading = true;
    try {
      const { GlobeDrawing } = await importFile<GlobeFile>('map');
      if (!this.#snapshot) return;
      this.#container.hidden = false;
      this.#drawing = new GlobeDrawing(this.#container, this.#label);
      this.#drawing.show(this.#snapshot);
    } catch {
      // Without the globe nothing is missing: the list of countries says the same.
    } finally {
      this.#isLoading = false;
    }
  }
}
