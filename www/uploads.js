// The queue of uploads: what is waiting, what is on its way, how far and how fast. No DOM here.

import * as api from './api.js';

const PARALLEL = 3;
const ASK_FIRST_BYTES = 1 << 20; // from here on it is worth a request to learn of a conflict before sending
const RATE_WINDOW_MS = 5000;

/**
 * One file on its way. `state` is 'waiting', 'active', 'conflict' (the key has a value; somebody is
 * to decide), 'done', 'failed' (see `error`), 'skipped' or 'cancelled'.
 */
class Upload {
  state = 'waiting';
  sent = 0;
  error = null;
  replace = false;
  controller = null;

  constructor(key, file) {
    this.key = key;
    this.file = file;
  }

  get finished() {
    return !['waiting', 'active', 'conflict'].includes(this.state);
  }
}

/**
 * Fires 'change' whenever something moved, 'stored' (`detail` is the key) after each success, and
 * 'idle' when nothing is left to do.
 */
export class UploadQueue extends EventTarget {
  items = [];
  #answer = null; // what to do about every further conflict of this batch
  #asking = Promise.resolve();
  #samples = [];

  /** `decide(key, others)` resolves to `{replace, always}` when a key already has a value. */
  constructor(decide) {
    super();
    this.decide = decide;
  }

  /** Queues `[{path, file}, …]` for storing under `folder + path`. */
  add(files, folder) {
    if (!this.busy) this.#beginBatch();
    this.items.push(...files.map(({ path, file }) => new Upload(folder + path, file)));
    this.#pump();
  }

  get busy() {
    return this.items.some((item) => !item.finished);
  }

  /** Sums over the batch: `{files, done, failed, bytes, sent, rate}`, rate in bytes per second. */
  totals() {
    const totals = { files: 0, done: 0, failed: 0, bytes: 0, sent: 0, rate: this.#rate() };
    for (const item of this.items) {
      if (item.state === 'skipped' || item.state === 'cancelled') continue;
      totals.files++;
      totals.bytes += item.file.size;
      totals.sent += item.sent;
      if (item.state === 'done') totals.done++;
      if (item.state === 'failed') totals.failed++;
    }
    return totals;
  }

  cancel(item) {
    if (item.finished) return;
    item.state = 'cancelled';
    item.controller?.abort();
    this.#pump();
  }

  cancelAll() {
    this.items.forEach((item) => this.cancel(item));
  }

  retry(item) {
    Object.assign(item, { state: 'waiting', sent: 0, error: null });
    this.#pump();
  }

  /** Forgets what is finished. */
  clear() {
    this.items = this.items.filter((item) => !item.finished);
    this.#changed();
  }

  /** What failed stays, to be seen and tried again. */
  #beginBatch() {
    this.items = this.items.filter((item) => item.state === 'failed');
    this.#answer = null;
    this.#samples = [];
  }

  #pump() {
    let active = this.items.filter((item) => item.state === 'active').length;
    for (const item of this.items) {
      if (active >= PARALLEL) break;
      if (item.state !== 'waiting') continue;
      active++;
      this.#run(item);
    }
    this.#changed();
    if (!this.busy) this.dispatchEvent(new Event('idle'));
  }

  async #run(item) {
    item.state = 'active';
    item.controller = new AbortController();
    try {
      await this.#send(item);
      item.sent = item.file.size;
      item.state = 'done';
      this.dispatchEvent(new CustomEvent('stored', { detail: item.key }));
    } catch (error) {
      if (item.state === 'cancelled') return;
      this.#fail(item, error);
    }
    this.#pump();
  }

  async #send(item) {
    const { signal } = item.controller;
    if (
      !item.replace &&
      item.file.size >= ASK_FIRST_BYTES &&
      (await api.exists(item.key, signal))
    ) {
      throw new api.ApiError(412, 'The key already has a value');
    }
    await api.upload(item.key, item.file, {
      replace: item.replace,
      signal,
      onprogress: (bytes) => {
        item.sent = Math.min(bytes, item.file.size);
        this.#changed();
      },
    });
  }

  #fail(item, error) {
    item.sent = 0;
    if (error.status === 412 && !item.replace) {
      item.state = 'conflict';
      this.#asking = this.#asking.then(() => this.#resolve(item));
    } else {
      item.state = 'failed';
      item.error = error;
    }
  }

  /** Has somebody decide about a conflict, one at a time, so that others may go on meanwhile. */
  async #resolve(item) {
    if (item.state !== 'conflict') return;
    const others = this.items.filter((other) => other !== item && !other.finished).length;
    const { replace, always } = this.#answer ?? (await this.decide(item.key, others));
    if (always) this.#answer = { replace, always };
    if (item.state !== 'conflict') return;
    item.replace = replace;
    item.state = replace ? 'waiting' : 'skipped';
    this.#pump();
  }

  #rate() {
    const sent = this.items.reduce((sum, item) => sum + item.sent, 0);
    const now = performance.now();
    this.#samples.push({ now, sent });
    while (this.#samples.length > 2 && this.#samples[0].now < now - RATE_WINDOW_MS)
      this.#samples.shift();
    const first = this.#samples[0];
    return now > first.now ? Math.max(0, ((sent - first.sent) / (now - first.now)) * 1000) : 0;
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** The files of a file chooser, a chosen folder's with their paths in it. */
export const chosenFiles = (input) =>
  Array.from(input.files, (file) => ({ path: file.webkitRelativePath || file.name, file }));

/** The files of a drop, folders read to the bottom. Call it in the event: the items do not outlive it. */
export async function droppedFiles(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return Array.from(transfer.files, (file) => ({ path: file.name, file }));
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found;
}

async function collect(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ path: entry.fullPath.slice(1), file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // it hands out a hundred or so at a time
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return;
    for (const child of batch) await collect(child, found);
  }
}
