// Keys through a browser's fetch, by the URLs that the page's own module writes.

import { assert, filesIn, main, test } from '../lib/uitest.mjs';

const each = (from, to) =>
  Array.from({ length: to - from }, (_, i) => String.fromCodePoint(from + i));

// Every character of ASCII and Latin-1, the ends of each length in UTF-8, separators, directions,
// noncharacters; and whatever a URL parser might take for something else.
const CHARACTERS = [
  ...each(1, 0x100),
  ...'\u0100\u07ff\u0800\u200d\u200f\u2028\u2029\u202e\ud7ff\ue000\ufdd0\ufeff\ufffd\uffff',
  ...'\u{10000}\u{1f600}\u{1fffe}\u{10ffff}',
];
const WORDS = [
  ...['e\u0301', '\u00e9', 'שלום', '日本語/ファイル', '/', '//', '/a', 'a/', 'a//b', 'a///', 'a/b'],
  ...['...', './a', '../a', 'a/.', 'a/..', 'a/./b', 'a/../b', '../..', '.a', '%', '%2F', '%252F'],
  ...['%2e', '%2E%2e', 'a/%2e/b', '%zz', 'a b', ' ', ' a ', '?meta', 'a?b=c', 'a#b', 'a;b', '\\', 'a\\b'],
  ...['.diskv', '%value', 'a/%value', 'javascript:a', 'http://h/a', 'C:\\a', 'C|/a'],
];
const KEYS = [...CHARACTERS.map((c) => `x${c}y`), ...WORDS];

/** In the page: stores, reads, describes and erases each key, and tells what came of it. */
async function roundTrip(keys) {
  const { keyUrl } = await import('/api.js');
  const results = [];
  for (const key of keys) {
    const url = keyUrl(key);
    const put = await fetch(url, { method: 'PUT', body: key });
    const location = decodeURIComponent(put.headers.get('location').slice('/keys/'.length));
    const value = await (await fetch(url, { cache: 'no-store' })).text();
    const meta = await (await fetch(`${url}?meta`)).json();
    const page = await (await fetch('/keys')).json();
    const erased = await fetch(url, { method: 'DELETE' });
    results.push({
      key,
      statuses: [put.status, erased.status],
      names: [location, meta.key, ...page.keys.map((entry) => entry.key)],
      value,
    });
  }
  return results;
}

test('every character of a key comes back through fetch', async ({ page, server }) => {
  await page.goto(server.url);
  const results = await page.evaluate(roundTrip, KEYS);
  for (const { key, statuses, names, value } of results) {
    const shown = JSON.stringify(key);
    assert.deepEqual(statuses, [201, 204], shown);
    assert.deepEqual(names, [key, key, key], shown);
    assert.equal(value, key, shown);
  }
  assert.equal(results.length, KEYS.length);
  assert.deepEqual(filesIn(server.dir), []);
});

test('only the keys . and .. have no URL in a browser', async ({ page, server }) => {
  await page.goto(server.url);
  const urls = await page.evaluate(async () => {
    const { keyUrl } = await import('/api.js');
    return ['.', '..', './', '../..'].map(keyUrl);
  });
  assert.deepEqual(urls, [null, null, `${server.url}/keys/.%2F`, `${server.url}/keys/..%2F..`]);
});

await main();
