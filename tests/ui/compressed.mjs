// Values that are compressed in their files, as a browser reads them.

import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { assert, main, test } from '../lib/uitest.mjs';

const TEXT = Array.from({ length: 20000 }, (_, i) => `line ${i} of a text\n`).join('');
const GZIP = { args: ['--compress', 'gzip'] };

/** What `fetch` in the page gets: its bytes as text, and its headers. */
async function fetched(page, server, key, options = {}) {
  await page.goto(`${server.url}/`);
  return page.evaluate(
    async ([url, init]) => {
      const answer = await fetch(url, init);
      return { headers: Object.fromEntries(answer.headers), text: await answer.text() };
    },
    [`${server.url}/keys/${key}`, options],
  );
}

/** Stores a value without a media type: `fetch` makes one up for a string. */
async function put(server, key, value, headers = {}) {
  const body = Buffer.from(value);
  const answer = await fetch(`${server.url}/keys/${key}`, { method: 'PUT', body, headers });
  assert.equal(answer.status, 201);
}

test(
  'a browser gets the file as it is, and reads the value',
  async ({ page, server }) => {
    await put(server, 'a.txt', TEXT);
    const file = fs.readFileSync(path.join(server.dir, 'a.txt'));
    const got = await fetched(page, server, 'a.txt');
    assert.equal(got.text, TEXT);
    assert.equal(got.headers['content-encoding'], 'gzip');
    assert.equal(got.headers['content-length'], String(file.length));
    assert.equal(got.headers['content-type'], 'text/plain');
    assert.equal(zlib.gunzipSync(file).toString(), TEXT);
  },
  GZIP,
);

test(
  'a range of a value is one of what was compressed only where that was asked for',
  async ({ page, server }) => {
    await put(server, 'a.txt', TEXT);
    const got = await fetched(page, server, 'a.txt', { headers: { Range: 'bytes=5-9' } });
    assert.equal(got.headers['content-encoding'], undefined); // browsers ask for ranges of identity
    assert.equal(got.text, TEXT.slice(5, 10));
  },
  GZIP,
);

test(
  'a page whose parts are compressed in their files is shown and run',
  async ({ page, server }) => {
    const html = '<link rel="icon" href="data:,"><script src="app.js"></script>';
    await put(server, 'site/index.html', html);
    await put(server, 'site/app.js', `onload = () => (document.title = 'it ran');${' '.repeat(5000)}`);
    await page.goto(`${server.url}/keys/site/index.html`);
    await page.waitForFunction(() => document.title === 'it ran');
  },
  GZIP,
);

test('a value that was uploaded compressed is read as such', async ({ page, server }) => {
  await put(server, 'a.txt', zlib.gzipSync(TEXT), { 'Content-Encoding': 'gzip' });
  const got = await fetched(page, server, 'a.txt');
  assert.equal(got.text, TEXT);
  assert.equal(got.headers['content-encoding'], 'gzip');
});

await main();
