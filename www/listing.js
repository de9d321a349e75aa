// What the server has said of one folder so far.

import * as api from './api.js';

const FIRST_PAGE = 1000;
const LARGEST_PAGE = 10000;

export class Listing {
  #task = null;

  /** Lists `folder` ('' or ending in '/'), only names beginning with `filter`. Loads nothing yet. */
  constructor(folder, filter = '') {
    this.folder = folder;
    this.prefix = folder + filter;
    this.#clear();
  }

  #clear() {
    this.folders = [];
    this.keys = [];
    this.next = '';
  }

  /** Whether more follows what is loaded; true before the first page. */
  get hasMore() {
    return this.next !== undefined;
  }

  get loading() {
    return this.#task !== null;
  }

  get length() {
    return this.folders.length + this.keys.length;
  }

  /** Row `i`: folders first. `{folder: prefix, name}` or the key's entry with `name`. */
  row(i) {
    const f = this.folders.length;
    if (i >= f)
      return { ...this.keys[i - f], name: this.keys[i - f].key.slice(this.folder.length) };
    return { folder: this.folders[i], name: this.folders[i].slice(this.folder.length, -1) };
  }

  /** The row that shows `key`, or -1. */
  indexOf(key) {
    const i = this.keys.findIndex((entry) => entry.key === key);
    return i < 0 ? -1 : this.folders.length + i;
  }

  /** Loads the next page; pages grow with what is loaded, so that the end of a long list is near. */
  more() {
    return this.#exclusive(async () => {
      const limit = Math.min(LARGEST_PAGE, Math.max(FIRST_PAGE, this.length));
      this.#append(await api.list({ prefix: this.prefix, from: this.next, limit }));
    });
  }

  /** Loads again as many rows as there are, to see what changed. */
  refresh() {
    return this.#exclusive(async () => {
      const fresh = new Listing(this.folder);
      fresh.prefix = this.prefix;
      const wanted = Math.max(this.length, FIRST_PAGE);
      while (fresh.hasMore && fresh.length < wanted) {
        const limit = Math.min(LARGEST_PAGE, wanted);
        fresh.#append(await api.list({ prefix: this.prefix, from: fresh.next, limit }));
      }
      this.folders = fresh.folders;
      this.keys = fresh.keys;
      this.next = fresh.next;
    });
  }

  /** Forgets a key that was deleted. */
  remove(key) {
    this.keys = this.keys.filter((entry) => entry.key !== key);
  }

  #append(page) {
    this.folders = this.folders.concat(page.prefixes);
    this.keys = this.keys.concat(page.keys);
    this.next = page.next;
  }

  /** One load at a time: a second caller waits for the first, then runs. */
  async #exclusive(task) {
    while (this.#task) await this.#task.catch(() => {});
    this.#task = task();
    try {
      await this.#task;
    } finally {
      this.#task = null;
    }
  }
}
