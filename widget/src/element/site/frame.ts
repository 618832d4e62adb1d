/** Whether this page is in a frame of a stranger. */

/** Return whether a page of another origin shows this one in a frame, where it could cover or fade the switch. */
export function isFramed(): boolean {
  try {
    // Only a page of the same origin lets its document be read.
    for (let page: Window = window; page !== page.parent; page = page.parent) void page.parent.document;
    return false;
  } catch {
    return true;
  }
}
