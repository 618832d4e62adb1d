/** The shell of a mirror: it shows the whole site in a frame, for which a service worker answers. */

import type {} from '../article/standalone';
import { hide } from '../links/connection';
import { ReadingPage, type ReadingWork, type View } from '../page/page';
import { Places } from '../site/places';
import { troubleOf } from '../trouble';
import type { Asked, Notice } from '../worker/talk';
import { Carrier } from './carrier';
import { articleFile, config, laterFile, networkFile, wordsFile } from './config';
import { serve } from './service';
import { SharedJar } from './sharedjar';
import { SiteFrame } from './siteframe';

const places = new Places(location.origin, config.site);

/** Show the site as it is; one page at a time where the browser gives no worker. */
async function view(work: ReadingWork): Promise<View> {
  try {
    await serve();
  } catch (error) {
    work.trouble(troubleOf(error));
    const Article = await articleFile();
    return new Article(config.site, work, location.pathname + location.search);
  }
  hide();
  // Through the worker, which keeps them, so the next visit waits for no words.
  void wordsFile(document.documentElement.lang).catch(() => {});
  const frame = new SiteFrame(places, work.jar, work);
  const carrier = new Carrier(places, work, config.inner, frame, (page) => frame.mend(page));
  navigator.serviceWorker.addEventListener('message', ({ data, ports: [port] }: MessageEvent<Asked | Notice>) => {
    if (data.type === 'ask' && port) void carrier.carry(data, port);
    if (data.type === 'left_out') work.leftOut(data.host);
    if (data.type === 'nowhere') work.trouble('outside');
    if (data.type === 'cut') frame.mend(data.page);
  });
  navigator.serviceWorker.startMessages();
  return frame;
}

void new ReadingPage({
  site: config.site,
  invite: config.invite,
  words: wordsFile,
  network: networkFile,
  jar: (isSite, forgotten) => new SharedJar(isSite, forgotten),
  later: laterFile,
  media: config.media,
  view,
}).open();
