/** Runs beside the shell's own script on the site's own address. */

import type { Notice } from '../worker/talk';
import { SHELL_LOCK } from './names';

// The worker knows the shell by this lock.
void navigator.locks.request(SHELL_LOCK, { mode: 'shared' }, () => new Promise(() => {}));

navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<Notice>) => {
  // Whoever reads already goes on through volunteers; the next visit is a direct one.
  const isReading = document.querySelector('.chip:not(.alone)');
  if (data.type === 'reached' && !isReading) location.reload();
});
navigator.serviceWorker.startMessages();
