/* A volunteer in a headed Chromium whose tab can be hidden. (Playwright's tabs are never hidden.)
 *
 *     node hidden.mjs CHROMIUM URL
 *
 * It flips the switch on the page at URL and prints `ready`. Each line on standard input is a
 * command, answered by a line of JSON with the page's visibility and the bytes of video that it has
 * sent: `hide` first puts another tab in front, `look` does nothing else. It ends when its input
 * ends.
 */

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../../widget/package.json', import.meta.url));
const puppeteer = (await import(require.resolve('puppeteer-core'))).default;

const [executablePath, url] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath,
  headless: false,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
  // Puppeteer's defaults keep Chromium from slowing hidden pages down, so leave those out.
  ignoreDefaultArgs: ['--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'],
});

const KEEP = () => {
  globalThis.kept = [];
  const Plain = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Plain {
    constructor(...options) {
      super(...options);
      globalThis.kept.push(this);
    }
  };
};

const LOOK = async () => {
  let video = 0;
  for (const connection of globalThis.kept) {
    for (const report of (await connection.getStats()).values()) {
      if (report.type === 'outbound-rtp') video += report.bytesSent;
    }
  }
  return { visibility: document.visibilityState, video };
};

const say = (value) => console.log(JSON.stringify(value));

try {
  const [page] = await browser.pages();
  await page.goto(url);
  await page.evaluate(KEEP);
  await page.locator('>>> [role=switch]').click();
  await page.locator('>>> button ::-p-text(Turn on)').click();
  await page.waitForFunction(
    () => document.querySelector('passerelle-switch').snapshot.phase === 'waiting',
  );
  say('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'hide') {
      const other = await browser.newPage();
      await other.bringToFront();
      await page.waitForFunction(() => document.visibilityState === 'hidden', { polling: 50 });
    }
    say(await page.evaluate(LOOK));
  }
} finally {
  await browser.close();
}
