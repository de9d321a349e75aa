// The web page, as a person uses it: in Chromium, against a server of its own.

import fs from 'node:fs';
import path from 'node:path';
import { assert, eventually, filesIn, main, test, writeFiles } from '../lib/uitest.mjs';

/** Opens the page at `hash` and waits for the list, the empty state or an error. */
async function open(page, server, hash = '') {
  await page.goto(`${server.url}/${hash}`);
  await page.locator('main footer:not(:empty), .notice:visible').first().waitFor();
}

const row = (page, name) =>
  page.locator('tbody tr').filter({ has: page.getByRole('link', { name, exact: true }) });

/** The names in the list, as shown. */
const names = (page) => page.locator('tbody .label > :first-child').allTextContents();

async function chooseFiles(page, button, paths) {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: button, exact: true }).click();
  await (await chooser).setFiles(paths);
}

async function clickAndDownload(page, link) {
  const download = page.waitForEvent('download');
  await link.click();
  const done = await download;
  return { name: done.suggestedFilename(), bytes: fs.readFileSync(await done.path()) };
}

async function confirm(page, button) {
  await page.getByRole('dialog').getByRole('button', { name: button }).click();
}

/** Bytes of every value, `length` of them. */
const bytesOfAllKinds = (length) =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 167 + (i >> 8)) % 256));

/** Holds uploads to `bytesPerSecond`; -1 for no limit. */
async function throttleUploads(page, bytesPerSecond) {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const set = (uploadThroughput) =>
    session.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    });
  await set(bytesPerSecond);
  return () => set(-1);
}

test('an empty store says so and how to begin', async ({ page, server }) => {
  await open(page, server);
  assert.equal(await page.title(), 'diskv');
  await page.getByRole('heading', { name: 'No keys yet' }).waitFor();
  await page.getByText(`curl -T FILE '${server.url}/keys/FILE'`).waitFor();
  await page.getByText('0 keys', { exact: true }).waitFor();
});

test(
  'folders come first, then keys with size and time, and the header counts all keys',
  async ({ page, server }) => {
    fs.utimesSync(path.join(server.dir, 'z.txt'), 1700000000, 1700000000);
    await open(page, server);
    assert.deepEqual(await names(page), ['photos', 'b.txt', 'z.txt']);
    await page.getByText('4 keys', { exact: true }).waitFor();
    assert.equal(await row(page, 'b.txt').locator('td.size').textContent(), '1.5 KiB');
    await page.getByRole('link', { name: 'photos/' }).click();
    await page.getByRole('link', { name: '2024/' }).click();
    await row(page, 'a.jpg').waitFor();
    assert.equal(await page.title(), 'photos/2024/ – diskv');
    await page.getByRole('navigation').getByRole('link', { name: 'All keys' }).click();
    await row(page, 'z.txt').waitFor();
  },
  {
    files: {
      'z.txt': 'z',
      'b.txt': 'b'.repeat(1536),
      'photos/2024/a.jpg': 'a',
      'photos/2025/b.jpg': 'b',
    },
  },
);

test('a chosen file is uploaded byte by byte and appears in the list', async ({
  page,
  server,
  temp,
}) => {
  const content = bytesOfAllKinds(300000);
  writeFiles(temp, { 'holiday photo.bin': content });
  await open(page, server, '#folder/pictures/');
  await chooseFiles(page, 'Upload', [path.join(temp, 'holiday photo.bin')]);
  await row(page, 'holiday photo.bin').waitFor();
  assert.deepEqual(fs.readFileSync(path.join(server.dir, 'pictures/holiday photo.bin')), content);
  await page.getByText('1 key', { exact: true }).first().waitFor();
});

test('a chosen folder is uploaded with the folders in it', async ({ page, server, temp }) => {
  writeFiles(temp, { 'tree/top.txt': 'top', 'tree/deep/er/leaf.txt': 'leaf' });
  await open(page, server);
  await chooseFiles(page, 'Upload a folder', path.join(temp, 'tree'));
  await page.getByRole('link', { name: 'tree/' }).waitFor();
  await eventually(() =>
    assert.deepEqual(filesIn(server.dir), ['tree/deep/er/leaf.txt', 'tree/top.txt']),
  );
});

test('files and folders dropped on the page are uploaded', async ({ page, server, temp }) => {
  writeFiles(temp, { 'one.txt': 'one', 'tree/deep/leaf.txt': 'leaf' });
  await open(page, server, '#folder/dropped/');
  const session = await page.context().newCDPSession(page);
  const files = [path.join(temp, 'one.txt'), path.join(temp, 'tree')];
  const drag = (type) =>
    session.send('Input.dispatchDragEvent', {
      type,
      x: 600,
      y: 400,
      data: { items: [], files, dragOperationsMask: 1 },
    });
  await drag('dragEnter');
  await drag('dragOver');
  await page.getByText('Drop to upload to dropped/').waitFor();
  await drag('drop');
  await row(page, 'one.txt').waitFor();
  await eventually(() =>
    assert.deepEqual(filesIn(server.dir), ['dropped/one.txt', 'dropped/tree/deep/leaf.txt']),
  );
});

test('a large upload shows its progress, file by file and in total', async ({
  page,
  server,
  temp,
}) => {
  writeFiles(temp, { 'large.bin': Buffer.alloc(8 << 20, 'x') });
  await open(page, server);
  const release = await throttleUploads(page, 1 << 19);
  await chooseFiles(page, 'Upload', [path.join(temp, 'large.bin')]);
  for (const bar of ['large.bin', 'All uploads']) {
    const progress = page.getByRole('progressbar', { name: bar });
    await progress.and(page.locator(':visible')).waitFor();
    await page.waitForFunction(
      (bar) => bar.value > 0 && bar.value < 1,
      await progress.elementHandle(),
    );
  }
  await page.getByText(/MiB of 8\.0 MiB · .*iB\/s · .* left/).waitFor();
  assert.deepEqual(filesIn(server.dir), []);
  await release();
  await row(page, 'large.bin').waitFor();
  assert.equal(fs.statSync(path.join(server.dir, 'large.bin')).size, 8 << 20);
});

test('a cancelled upload leaves nothing behind', async ({ page, server, temp }) => {
  writeFiles(temp, { 'large.bin': Buffer.alloc(8 << 20, 'x') });
  await open(page, server);
  const release = await throttleUploads(page, 1 << 19);
  await chooseFiles(page, 'Upload', [path.join(temp, 'large.bin')]);
  const progress = page.getByRole('progressbar', { name: 'large.bin' });
  await page.waitForFunction((bar) => bar.value > 0, await progress.elementHandle());
  await page.getByRole('button', { name: 'Cancel large.bin' }).click();
  await progress.waitFor({ state: 'hidden' });
  await release();
  assert.deepEqual(filesIn(server.dir), []);
});

test(
  'a file that is already there is replaced only if the user says so',
  async ({ page, server, temp }) => {
    const kept = path.join(server.dir, 'notes.txt');
    writeFiles(temp, { 'notes.txt': 'new' });
    await open(page, server);
    await chooseFiles(page, 'Upload', [path.join(temp, 'notes.txt')]);
    await confirm(page, 'Keep the old');
    await page.getByRole('region', { name: 'Uploads' }).waitFor({ state: 'hidden' });
    assert.equal(fs.readFileSync(kept, 'utf8'), 'old');
    await chooseFiles(page, 'Upload', [path.join(temp, 'notes.txt')]);
    await confirm(page, 'Replace');
    await eventually(() => assert.equal(fs.readFileSync(kept, 'utf8'), 'new'));
  },
  { files: { 'notes.txt': 'old' }, errors: true },
);

test(
  'a large file that is already there is asked about before it is sent',
  async ({ page, server, temp }) => {
    writeFiles(temp, { 'large.bin': Buffer.alloc(2 << 20, 'n') });
    const sent = [];
    page.on('request', (request) => request.method() === 'PUT' && sent.push(request.url()));
    await open(page, server);
    await chooseFiles(page, 'Upload', [path.join(temp, 'large.bin')]);
    await page.getByRole('dialog').waitFor();
    assert.deepEqual(sent, []);
    await confirm(page, 'Replace');
    await eventually(() =>
      assert.equal(fs.statSync(path.join(server.dir, 'large.bin')).size, 2 << 20),
    );
  },
  { files: { 'large.bin': 'old' } },
);

test(
  'a download has the bytes and the name of the key',
  async ({ page, server }) => {
    await open(page, server, '#folder/dir/');
    const link = row(page, 'data.bin').getByRole('link', { name: 'Download' });
    const { name, bytes } = await clickAndDownload(page, link);
    assert.equal(name, 'data.bin');
    assert.deepEqual(bytes, bytesOfAllKinds(100000));
  },
  { files: { 'dir/data.bin': bytesOfAllKinds(100000) } },
);

test(
  'deleting asks first, then the file is gone from the disk',
  async ({ page, server }) => {
    await open(page, server);
    await page.getByRole('button', { name: 'Delete doomed' }).click();
    await page.getByText('This cannot be undone.').waitFor();
    await confirm(page, 'Cancel');
    assert.deepEqual(filesIn(server.dir), ['doomed', 'spared']);
    await page.getByRole('button', { name: 'Delete doomed' }).click();
    await confirm(page, 'Delete');
    await row(page, 'doomed').waitFor({ state: 'detached' });
    assert.deepEqual(filesIn(server.dir), ['spared']);
    await page.getByText('1 key', { exact: true }).first().waitFor();
  },
  { files: { doomed: 'd', spared: 's' } },
);

test('the details tell size, type and entity tag, and show small texts without running them', async ({
  page,
  server,
}) => {
  const content = '<script>document.title = "run"</script>';
  const put = { method: 'PUT', body: content, headers: { 'Content-Type': 'text/html' } };
  const answer = await fetch(`${server.url}/keys/page.html`, put);
  await open(page, server);
  await page.getByRole('link', { name: 'page.html', exact: true }).click();
  const details = page.getByRole('complementary', { name: 'Details' });
  await details.getByText(content).waitFor();
  const facts = await details.locator('dl').textContent();
  for (const fact of [
    `${content.length} B`,
    'text/html',
    answer.headers.get('etag').replaceAll('"', ''),
  ]) {
    assert(facts.includes(fact), `${facts} lacks ${fact}`);
  }
  assert.equal(await page.title(), 'page.html – diskv');
  await page.keyboard.press('Escape');
  await details.waitFor({ state: 'hidden' });
});

// Each key's file in the directory, and how the page shows the key's last component.
const ODD_KEYS = [
  { key: 'a b', file: 'a b' },
  { key: '100%', file: '100%25' },
  { key: 'ü', file: 'ü' },
  { key: 'a//b', file: 'a/%_/b', shown: 'b' },
  { key: '?#&', file: '?#&' },
  { key: '<b>', file: '<b>' },
  { key: 'c/./d', file: 'c/%2E/d', shown: 'd' },
  { key: 'e/..', file: 'e/%2E%2E', shown: '..' },
  { key: 'slash/', file: 'slash/%_', shown: 'empty name', label: '(empty name)' },
  { key: 'tab\there', file: 'tab%09here', shown: 'tab\\there', label: 'tab\\there' },
];

for (const { key, file, shown = key, label = shown } of ODD_KEYS) {
  test(
    `the key ${JSON.stringify(key)} is listed, downloaded and deleted`,
    async ({ page, server }) => {
      const folder = key.slice(0, key.lastIndexOf('/') + 1);
      await open(page, server, `#folder/${folder.split('/').map(encodeURIComponent).join('/')}`);
      assert.deepEqual(await names(page), [shown]);
      const link = page.getByRole('link', { name: `Download ${label}`, exact: true });
      const { bytes } = await clickAndDownload(page, link);
      assert.equal(bytes.toString(), `value of ${key}`);
      await page.getByRole('button', { name: `Delete ${label}`, exact: true }).click();
      await confirm(page, 'Delete');
      await page.locator('.notice').waitFor();
      assert.deepEqual(filesIn(server.dir), []);
    },
    { files: { [file]: `value of ${key}` } },
  );
}

test(
  'the keys . and .. are listed, with the reason why a browser cannot fetch them',
  async ({ page, server }) => {
    await open(page, server);
    assert.deepEqual(await names(page), ['.', '..']);
    assert.equal(await page.getByText('no URL').count(), 2);
    await page.getByRole('link', { name: '..', exact: true }).click();
    await page.getByText('Browsers have no way to write the URL of this key').waitFor();
  },
  { files: { '%2E': 'one', '%2E%2E': 'two' } },
);

const manyFiles = new Map(
  Array.from({ length: 2500 }, (_, i) => [`many/${String(i).padStart(4, '0')}`, '']),
);

test(
  'scrolling loads page after page and keeps the document small',
  async ({ page, server }) => {
    await open(page, server, '#folder/many/');
    await page.getByText('1,000 keys so far').waitFor();
    await row(page, '0000').waitFor();
    // A page may be told of before it is laid out: scroll on until what was waited for is there.
    for (const loaded of ['2,000 keys so far', '2,500 keys', '2499'])
      await page.waitForFunction((text) => {
        scrollTo(0, document.body.scrollHeight);
        return document.body.innerText.includes(text);
      }, loaded);
    assert((await page.locator('tbody tr').count()) < 100);
    assert.equal(await page.getByRole('button', { name: 'Load more' }).count(), 0);
  },
  { files: manyFiles },
);

test(
  'the search field narrows the list to names beginning so',
  async ({ page, server }) => {
    await open(page, server, '#folder/many/');
    await page.getByRole('searchbox').fill('249');
    await page.getByText('10 keys', { exact: true }).waitFor();
    assert.equal((await names(page))[0], '2490');
    await page.getByRole('searchbox').fill('x');
    await page.getByText('No name here begins with “x”.').waitFor();
  },
  { files: manyFiles },
);

test(
  'the arrow keys walk through the list and Delete asks',
  async ({ page, server }) => {
    await open(page, server);
    await page.getByRole('link', { name: 'a', exact: true }).focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Delete');
    await confirm(page, 'Delete');
    await row(page, 'b').waitFor({ state: 'detached' });
    assert.deepEqual(filesIn(server.dir), ['a', 'c']);
    assert.equal(await page.evaluate(() => document.activeElement.textContent.trim().at(0)), 'c');
  },
  { files: { a: '', b: '', c: '' } },
);

test(
  "a refused upload shows the server's reason",
  async ({ page, server, temp }) => {
    writeFiles(temp, { 'big.txt': 'x'.repeat(1000) });
    await open(page, server);
    await chooseFiles(page, 'Upload', [path.join(temp, 'big.txt')]);
    await page.getByRole('alert').getByText('the value is larger than this store takes').waitFor();
    await page.getByText('1 upload failed').waitFor();
    assert.deepEqual(filesIn(server.dir), []);
  },
  { args: ['--max-value-bytes', '100'], errors: true },
);

test(
  'an unreachable server is reported, and the page goes on when it is asked again',
  async ({ page, server, context }) => {
    await open(page, server);
    await context.setOffline(true);
    await page.getByRole('link', { name: 'folder/' }).click();
    await page.getByRole('alert').getByText('The server cannot be reached').waitFor();
    await context.setOffline(false);
    await page.getByRole('button', { name: 'Try again' }).click();
    await row(page, 'key').waitFor();
  },
  { files: { 'folder/key': '' }, errors: true },
);

await main();
