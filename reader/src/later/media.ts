/** Brings links with video, which carry large files. */

import type { LinkPool } from '../links/pool';
import type {} from '../media/standalone';
import type { HashedFile } from '../shell/config';
import { FOLDER } from '../shell/folder';

let hasBegun = false;

/** Load the script `media`, once, and have `pool` use it. Nothing changes where it cannot be had, was altered, or cannot
 * work in this browser. Never rejects. */
export async function bring(pool: LinkPool | null, media: HashedFile | undefined): Promise<void> {
  if (!pool || !media || hasBegun) return;
  const [file, integrity] = media;
  hasBegun = true;
  try {
    const src = FOLDER + file;
    const script = Object.assign(document.createElement('script'), { src, integrity });
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    });
    const { passerelleMedia: Media } = globalThis;
    if (!Media) return;
    // A Worker's script has no hash of its own, so it comes from what was compared with one.
    const blob = await (await fetch(src, { integrity, credentials: 'omit' })).blob();
    const videos = new Media(URL.createObjectURL(blob));
    pool.bring((base) => videos.over(base));
  } catch {
    hasBegun = false;
  }
}
