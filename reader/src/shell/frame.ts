/** What the shell does for the inner script of the frame, which has the same origin and reaches it as
 * `top.passerelle`. */
export interface Frame {
  /** Return what scripts of the page at `page`, an address on the mirror, read as their cookies. */
  cookies(page: string): string;
  setCookie(page: string, text: string): void;
  /** Return where a page at `page`, on the mirror, finds `address`; null for an address outside the site. */
  here(address: string, page: string): string | null;
  /** Show another page of the site, as a new entry of the history. */
  go(address: string): void;
  /** Tell whether the shell itself gives the frame another address at this moment. */
  isMoving(): boolean;
  /** The frame leaves its page for `address`, by itself. */
  goes(address: string): void;
  /** The frame has a new document. */
  arrives(address: string): void;
  /** The frame's document is called so now, or has changed its address. */
  shows(address: string, title: string): void;
  /** The site's policy kept the page from asking `host`, which counts if it is none of the site's. */
  leftOut(host: string): void;
  /** Watch what leaves `place`, a window of the site or a tree in its pages: the reader's clicks, forms, and new tabs.
   * Rejects where the code for that cannot be had. */
  guard(place: Window | ShadowRoot): Promise<void>;
  /** The reader chose an address outside the site. */
  outside(address: string): void;
}
