/** The types of the Navigation API (HTML Standard §7.2.6) that this folder uses. */

interface NavigateEvent extends Event {
  readonly destination: { readonly url: string; readonly sameDocument: boolean };
  readonly navigationType: 'reload' | 'push' | 'replace' | 'traverse';
  readonly hashChange: boolean;
  readonly userInitiated: boolean;
  readonly formData: FormData | null;
  readonly downloadRequest: string | null;
}

interface Navigation extends EventTarget {
  addEventListener(type: 'navigate', listener: (event: NavigateEvent) => void): void;
  addEventListener(type: 'currententrychange', listener: () => void): void;
}

interface Window {
  readonly navigation?: Navigation;
}
