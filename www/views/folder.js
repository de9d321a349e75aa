// The list of one folder: where we are, what is in it, and how to add to it.

import * as api from '../api.js';
import { Listing } from '../listing.js';
import { chosenFiles } from '../uploads.js';
import { complain, count, h, icon, plainName, showName, throttle } from '../util.js';
import { deleteKey } from './dialogs.js';
import { acceptDrops } from './drop.js';
import { folderRow, keyRow, makeTable } from './entries.js';
import { Rows } from './rows.js';

const REFRESH_MS = 1000;
const SEARCH_MS = 200;
const LARGE = 10000; // rows; from here on the list is not loaded again while uploads go on

function breadcrumbs(folder, app) {
  const names = folder.split('/').slice(0, -1);
  const links = names.map((name, i) => {
    const path = `${names.slice(0, i + 1).join('/')}/`;
    const here = path === folder;
    return h(
      'li',
      {},
      h('a', { href: app.folderLink(path), 'aria-current': here && 'page' }, showName(name)),
    );
  });
  const root = h(
    'a',
    { href: app.folderLink(''), 'aria-current': folder === '' && 'page' },
    'All keys',
  );
  return h('nav', { 'aria-label': 'Folder' }, h('ol', {}, h('li', {}, root), links));
}

/** A button that opens a file chooser; `attributes` are the chooser's. */
function chooser(label, properties, attributes, onfiles) {
  const input = h('input', {
    type: 'file',
    multiple: true,
    hidden: true,
    ...attributes,
    onchange: () => {
      onfiles(chosenFiles(input));
      input.value = '';
    },
  });
  const button = h(
    'button',
    { type: 'button', ...properties, onclick: () => input.click() },
    icon('upload'),
    label,
  );
  return [button, input];
}

function emptyState(folder, filter) {
  if (filter) return h('p', {}, `No name here begins with “${plainName(filter)}”.`);
  return [
    icon('upload'),
    h('h2', {}, folder ? 'Nothing here yet' : 'No keys yet'),
    h('p', {}, 'Drop files or folders anywhere on this page, or send one from a shell:'),
    h('pre', {}, h('code', {}, `curl -T FILE '${api.keyUrl(`${folder}FILE`)}'`)),
  ];
}

class FolderView {
  #gone = new AbortController();
  #selected = null;
  #stuck = false; // loading failed: from here on only the button does it
  #filter = '';
  #table = makeTable();
  #notice = h('div', { class: 'notice', hidden: true });
  #footer = h('footer', { class: 'muted' });

  constructor(root, folder, app) {
    Object.assign(this, { folder, app, listing: new Listing(folder) });
    const { signal } = this.#gone;
    const add = (files) => app.queue.add(files, folder);
    root.replaceChildren(
      this.#toolbar(add),
      h('div', { class: 'card' }, this.#table, this.#notice),
      this.#footer,
      acceptDrops(`Drop to upload to ${folder ? plainName(folder) : 'this store'}`, add, signal),
    );
    this.rows = new Rows(this.#table, {
      length: () => this.listing.length,
      draw: (i) => this.#draw(i),
      onend: () => this.#stuck || this.#more(),
      signal,
    });
    this.#table.addEventListener('keydown', (event) => this.#deleteFocused(event));
    app.changes.addEventListener('stored', ({ detail }) => this.#stored(detail), { signal });
    app.changes.addEventListener('deleted', ({ detail }) => this.#deleted(detail), { signal });
    app.queue.addEventListener('idle', () => this.#refresh(), { signal });
    this.#load();
  }

  unmount() {
    this.#gone.abort();
  }

  /** Marks the row of `key`; when the details of `previous` were closed its row gets the focus back. */
  select(key, previous) {
    this.#selected = key;
    this.rows.update();
    const i = key === null && previous !== null ? this.listing.indexOf(previous) : -1;
    if (i >= 0) this.rows.reveal(i).querySelector('a').focus({ preventScroll: true });
  }

  #toolbar(add) {
    const search = h('input', {
      type: 'search',
      placeholder: 'Begins with…',
      'aria-label': 'Names beginning with',
    });
    search.addEventListener(
      'input',
      throttle(() => this.#search(search.value), SEARCH_MS),
    );
    return h(
      'div',
      { class: 'toolbar' },
      breadcrumbs(this.folder, this.app),
      h(
        'div',
        { class: 'tools' },
        h('label', { class: 'search' }, icon('search'), search),
        chooser('Folder', { 'aria-label': 'Upload a folder' }, { webkitdirectory: true }, add),
        chooser('Upload', { class: 'primary' }, {}, add),
      ),
    );
  }

  #draw(i) {
    const row = this.listing.row(i);
    return row.folder === undefined
      ? keyRow(row, row.key === this.#selected, this.app)
      : folderRow(row, this.app);
  }

  #search(text) {
    this.#filter = text;
    this.listing = new Listing(this.folder, text);
    this.#load();
  }

  /** Whether `listing` is still the one to show. */
  #isCurrent(listing) {
    return listing === this.listing && !this.#gone.signal.aborted;
  }

  /** Loads the first page. */
  async #load() {
    const { listing } = this;
    this.#stuck = false;
    this.#table.ariaBusy = 'true';
    try {
      await listing.more();
      if (this.#isCurrent(listing)) this.#show();
    } catch (error) {
      if (this.#isCurrent(listing)) this.#showFailure(error);
    }
  }

  /** Loads the next page; folders that join above the rows in sight must not push these down. */
  async #more() {
    const { listing, rows } = this;
    if (!listing.hasMore || listing.loading) return;
    const folders = listing.folders.length;
    const amongKeys = rows.top >= folders;
    try {
      const loaded = listing.more();
      this.#showFooter();
      await loaded;
      if (!this.#isCurrent(listing)) return;
      this.#stuck = false;
      this.#show();
      if (amongKeys) scrollBy(0, (listing.folders.length - folders) * rows.height);
    } catch (error) {
      if (!this.#isCurrent(listing)) return;
      this.#stuck = true;
      this.#showFooter();
      complain(error);
    }
  }

  /** Loads again what is shown, to see what changed. */
  async #refresh() {
    const { listing } = this;
    try {
      await listing.refresh();
      if (this.#isCurrent(listing)) this.#show();
    } catch (error) {
      if (this.#isCurrent(listing)) complain(error);
    }
  }

  #refreshSoon = throttle(() => this.#isCurrent(this.listing) && this.#refresh(), REFRESH_MS);

  #stored(key) {
    if (key.startsWith(this.folder) && this.listing.length < LARGE) this.#refreshSoon();
  }

  #deleted(key) {
    const i = this.listing.indexOf(key);
    if (i < 0) return;
    this.listing.remove(key);
    this.#show();
    const next = Math.min(i, this.listing.length - 1);
    if (next >= 0) this.rows.reveal(next).querySelector('a').focus({ preventScroll: true });
  }

  #deleteFocused(event) {
    const { key } = event.target.closest('tbody tr')?.dataset ?? {};
    if (event.key === 'Delete' && this.listing.indexOf(key) >= 0 && api.keyUrl(key))
      deleteKey(key, this.app);
  }

  #show() {
    const empty = this.listing.length === 0;
    this.#table.ariaBusy = 'false';
    this.#table.hidden = empty;
    this.#table.ariaRowCount = String(this.listing.hasMore ? -1 : this.listing.length + 1);
    this.#notice.hidden = !empty;
    this.#notice.role = null;
    if (empty) this.#notice.replaceChildren(...[emptyState(this.folder, this.#filter)].flat());
    this.rows.update();
    this.#showFooter();
  }

  #showFailure(error) {
    this.#stuck = true;
    this.#table.hidden = true;
    this.#notice.hidden = false;
    this.#notice.replaceChildren(
      h('h2', {}, error.title ?? 'Something went wrong'),
      h('p', {}, error.detail || error.message),
      h('button', { type: 'button', onclick: () => this.#load() }, icon('retry'), 'Try again'),
    );
    this.#notice.role = 'alert';
  }

  #showFooter() {
    const { folders, keys, hasMore, loading } = this.listing;
    const parts = [
      folders.length ? count(folders.length, 'folder') : '',
      keys.length ? count(keys.length, 'key') : '',
    ];
    const more = h(
      'button',
      { type: 'button', disabled: loading, onclick: () => this.#more() },
      loading ? 'Loading…' : 'Load more',
    );
    this.#footer.replaceChildren(
      parts.filter(Boolean).join(', ') +
        (hasMore && (folders.length || keys.length) ? ' so far' : ''),
      ...(hasMore ? [more] : []),
    );
  }
}

/** Shows `folder` ('' or ending in '/') in `root`. */
export const mountFolder = (root, folder, app) => new FolderView(root, folder, app);
