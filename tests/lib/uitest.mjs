// What the tests of the page share: a server and a browser page of one's own, and a runner that
// prints TAP.
//
//     import { assert, main, test } from '../lib/uitest.mjs';
//
//     test('the page has a title', async ({ page, server }) => { … });
//
//     await main();
//
// `node page.mjs [NAME…]` runs all tests, or those whose names begin so. $DISKV is the binary;
// playwright-core is found in $DISKV_NODE_MODULES, or in `node/node_modules` beside the binary.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

export { assert };

const DISKV = path.resolve(process.env.DISKV ?? 'build/diskv');
const NODE_MODULES =
  process.env.DISKV_NODE_MODULES ?? path.join(path.dirname(DISKV), 'node/node_modules');
const FLAGS = [
  '--no-sandbox', // Chromium has none for root
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const tests = [];

/**
 * Registers a test whose name is the sentence it proves. `run` gets `{page, server, context, temp}`.
 * `options.files` lie in the server's directory before it starts: file name → content; `args` are
 * for `diskv serve`; `errors: true` allows errors in the browser's console.
 */
export function test(name, run, options = {}) {
  tests.push({ name, run, options });
}

/** Writes files, a Map or an object of paths and contents, under `dir`. */
export function writeFiles(dir, files) {
  for (const [name, content] of files instanceof Map ? files : Object.entries(files)) {
    const file = path.join(dir, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
}

/** Starts `diskv serve` on a free port: `{url, dir, stop()}`. */
async function startServer(dir, args) {
  const child = spawn(DISKV, ['serve', '--listen', '127.0.0.1:0', ...args, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? signal)),
  );
  const lines = readline.createInterface({ input: child.stdout });
  const ready = new Promise((resolve) => lines.once('line', resolve));
  const line = await Promise.race([ready, ended]);
  const url = /http:\/\/\S+:\d+$/.exec(line)?.[0];
  assert(url, `no ready line but ${line}`);
  while ((await fetch(`${url}/readyz`)).status !== 200)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const stop = async () => {
    child.kill('SIGTERM');
    assert.equal(await ended, 0, 'the server ends with exit code 0');
  };
  return { url, dir, stop };
}

/** The files under `dir` but for the store's own, as paths relative to it. */
export function filesIn(dir) {
  const found = [];
  const walk = (at) => {
    for (const entry of fs.readdirSync(path.join(dir, at), { withFileTypes: true })) {
      const name = path.join(at, entry.name);
      if (name === '.diskv') continue;
      if (entry.isDirectory()) walk(name);
      else found.push(name);
    }
  };
  walk('');
  return found.sort();
}

/** Repeats `check` until it no longer throws; its last error after a minute. */
export async function eventually(check) {
  const end = Date.now() + 60000;
  for (;;) {
    try {
      return check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function runTest(browser, { run, options }) {
  const temp = fs.mkdtempSync(path.join(os.tmpdir(), 'diskv-ui.'));
  const dir = path.join(temp, 'data');
  const complaints = [];
  let server;
  let context;
  try {
    fs.mkdirSync(dir);
    writeFiles(dir, options.files ?? {});
    server = await startServer(dir, options.args ?? []);
    context = await browser.newContext({
      locale: 'en-GB',
      viewport: { width: 1280, height: 800 },
    });
    context.setDefaultTimeout(60000);
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        complaints.push(message.text());
    });
    await run({ page, server, context, temp });
    if (!options.errors) assert.deepEqual(complaints, [], 'the console is quiet');
  } finally {
    await context?.close();
    await server?.stop();
    fs.rmSync(temp, { recursive: true, force: true });
  }
}

/** Runs the tests and ends the process. */
export async function main() {
  const { chromium } = createRequire(path.join(NODE_MODULES, 'x'))('playwright-core');
  const wanted = process.argv.slice(2);
  const chosen = tests.filter(
    ({ name }) => wanted.length === 0 || wanted.some((start) => name.startsWith(start)),
  );
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
  let failed = 0;
  console.log(`1..${chosen.length}`);
  for (const [i, one] of chosen.entries()) {
    try {
      await runTest(browser, one);
      console.log(`ok ${i + 1} - ${one.name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${i + 1} - ${one.name}`);
      console.log(String(error.stack).replace(/^/gm, '# '));
    }
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}
