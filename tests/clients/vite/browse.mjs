// Drives Chromium for vite.py and prints what it saw as JSON: `node browse.mjs SCENARIO URL…`, with
// playwright-core in $DISKV_NODE_MODULES.

import { createRequire } from 'node:module';
import path from 'node:path';

const { chromium } = createRequire(path.join(process.env.DISKV_NODE_MODULES, 'x'))(
  'playwright-core',
);

const heading = (page) => page.getByRole('heading', { level: 1 });

/** What a person sees: the path, the heading, its colour and whether all images are there. */
const look = (page) =>
  heading(page).evaluate((h1) => ({
    path: location.pathname,
    heading: h1.textContent,
    color: getComputedStyle(h1).color,
    images: [...document.images].every((image) => image.complete && image.naturalWidth > 0),
  }));

const scenarios = {
  /** Opens the application, follows a link in it, and reloads there. */
  async application(page, url) {
    const answers = [];
    const seen = [];
    page.on('response', (response) => answers.push(response));
    await page.goto(`${url}/`, { waitUntil: 'networkidle' });
    seen.push(await look(page));
    await page.getByRole('link', { name: 'Hamlet' }).click();
    await page.getByRole('heading', { name: 'Play: hamlet' }).waitFor();
    seen.push(await look(page));
    const reloaded = await page.reload();
    await heading(page).waitFor();
    seen.push(await look(page));
    const described = answers.map(async (one) => ({
      path: new URL(one.url()).pathname,
      status: one.status(),
      headers: await one.allHeaders(),
    }));
    return { seen, reloaded: reloaded.status(), answers: await Promise.all(described) };
  },

  /** From a page at `home`, reads and writes a key of the store at `url`. */
  async stranger(page, home, url) {
    await page.goto(home);
    return page.evaluate(async (key) => {
      const ask = async (options) => {
        try {
          const answer = await fetch(key, options);
          const fields = ['etag', 'x-meta-author'].map((n) => answer.headers.get(n));
          return [answer.status, await answer.text(), ...fields];
        } catch (error) {
          return error.name;
        }
      };
      return {
        read: await ask({ cache: 'no-store' }),
        written: await ask({ method: 'PUT', body: 'new', headers: { 'X-Meta-Author': 'me' } }),
        reread: await ask({ cache: 'no-store' }),
      };
    }, `${url}/keys/a`);
  },
};

const [scenario, ...urls] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'], // none for root
});
const page = await browser.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(String(error)));
page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
const result = await scenarios[scenario](page, ...urls);
await browser.close();
console.log(JSON.stringify({ ...result, complaints }));
