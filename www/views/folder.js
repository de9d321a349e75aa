// The list of one folder: where we are, what is in it, and how to add to it.

import * as api from '../api.js';
import { Listing } from '../listing.js';
import { chosenFiles, droppedFiles } from '../uploads.js';
import { complain, count, h, icon, iconButton, iconFor, plainName, showName, size, throttle, time } from '../util.js';
import { deleteKey } from './dialogs.js';
import { Rows } from './rows.js';

const REFRESH_MS = 1000;
const FILTER_MS = 200;
const LARGE = 10000; // rows; from here on the list is not loaded again while uploads go on

function breadcrumbs(folder, app) {
  const names = folder.split('/').slice(0, -1);
  const links = names.map((name, i) => {
    const path = `${names.slice(0, i + 1).join('/')}/`;
    const here = path === folder;
    return h('li', {}, h('a', { href: app.folderLink(path), 'aria-current': here && 'page' }, showName(name)));
  });
  const root = h('a', { href: app.folderLink(''), 'aria-current': folder === '' && 'page' }, 'All keys');
  return h('nav', { 'aria-label': 'Folder' }, h('ol', {}, h('li', {}, root), links));
}

/** A button that opens a file chooser; `attributes` are the chooser's. */
function chooser(label, properties, attributes, onfiles) {
  const input = h('input', {
    type: 'file', multiple: true, hidden: true, ...attributes,
    onchange: () => {
      onfiles(chosenFiles(input));
      input.value = '';
    },
  });
  const button = h('button', { type: 'button', ...properties, onclick: () => input.click() }, icon('upload'), label);
  return [button, input];
}

function folderRow({ folder, name }, app) {
  return h('tr', { 'data-key': folder },
    h('td', { class: 'name' }, h('a', { href: app.folderLink(folder), 'data-control': 'open' },
      icon('folder'), h('span', { class: 'label' }, showName(name), h('span', { class: 'muted' }, '/')))),
    h('td', { class: 'size' }), h('td', { class: 'modified' }), h('td', { class: 'type' }), h('td', { class: 'actions' }));
}

function keyActions(entry, app) {
  const url = api.keyUrl(entry.key);
  const name = plainName(entry.name);
  if (!url) {
    const why = 'Browsers have no way to write the URL of this key';
    return h('span', { class: 'muted', title: why }, 'no URL');
  }
  return [
    h('a', {
      class: 'icon-button', href: url, download: entry.name || 'value', title: 'Download',
      'aria-label': `Download ${name}`, 'data-control': 'download',
    }, icon('download')),
    iconButton('delete', `Delete ${name}`, () => deleteKey(entry.key, app), { title: 'Delete', 'data-control': 'delete' }),
  ];
}

function keyRow(entry, selected, app) {
  const brief = h('span', { class: 'brief muted' }, `${size(entry.size)} · `, time(entry.modified, true));
  return h('tr', { 'data-key': entry.key, 'aria-selected': selected && 'true' },
    h('td', { class: 'name' }, h('a', { href: app.keyLink(entry.key), 'data-control': 'open' },
      icon(iconFor(entry.type)), h('span', { class: 'label' }, showName(entry.name), brief))),
    h('td', { class: 'size' }, size(entry.size)),
    h('td', { class: 'modified' }, time(entry.modified)),
    h('td', { class: 'type', title: entry.type }, entry.type || '–'),
    h('td', { class: 'actions' }, keyActions(entry, app)));
}

const table = () => h('table', {},
  h('thead', {}, h('tr', {},
    h('th', { class: 'name', scope: 'col' }, 'Name'),
    h('th', { class: 'size', scope: 'col' }, 'Size'),
    h('th', { class: 'modified', scope: 'col' }, 'Modified'),
    h('th', { class: 'type', scope: 'col' }, 'Type'),
    h('th', { class: 'actions' }, h('span', { class: 'hidden' }, 'Actions')))));

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
  #table = table();
  #notice = h('div', { class: 'notice', hidden: true });
  #footer = h('footer', { class: 'muted' });
  #overlay = h('div', { class: 'drop', hidden: true });

  constructor(root, folder, app) {
    Object.assign(this, { root, folder, app });
    this.listing = new Listing(folder);
    const { signal } = this.#gone;
    root.replaceChildren(this.#toolbar(), h('div', { class: 'card' }, this.#table, this.#notice), this.#footer, this.#overlay);
    this.rows = new Rows(this.#table, {
      length: () => this.listing.length,
      draw: (i) => this.#draw(i),
      onend: () => this.#more(),
      signal,
    });
    this.#acceptDrops(signal);
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

  #toolbar() {
    const add = (files) => this.app.queue.add(files, this.folder);
    const filter = h('input', { type: 'search', placeholder: 'Begins with…', 'aria-label': 'Names beginning with' });
    filter.addEventListener('input', throttle(() => this.#filter(filter.value), FILTER_MS));
    return h('div', { class: 'toolbar' },
      breadcrumbs(this.folder, this.app),
      h('div', { class: 'tools' },
        h('label', { class: 'search' }, icon('search'), filter),
        chooser('Folder', { 'aria-label': 'Upload a folder' }, { webkitdirectory: true }, add),
        chooser('Upload', { class: 'primary' }, {}, add)));
  }

  #draw(i) {
    const row = this.listing.row(i);
    return row.folder === undefined ? keyRow(row, row.key === this.#selected, this.app) : folderRow(row, this.app);
  }

  #filter(text) {
    this.filter = text;
    this.listing = new Listing(this.folder, text);
    this.#load();
  }

  /** Loads the first page. */
  async #load() {
    const { listing } = this;
    this.#table.ariaBusy = 'true';
    try {
      await listing.more();
      if (listing === this.listing) this.#show();
    } catch (error) {
      if (listing === this.listing) this.#showFailure(error);
    }
  }

  /** Loads the next page; folders that join above the rows in sight must not push these down. */
  async #more() {
    const { listing, rows } = this;
    if (!listing.hasMore || listing.loading || this.#table.hidden || this.failed) return;
    const folders = listing.folders.length;
    const amongKeys = rows.top >= folders;
    this.#showFooter();
    try {
      await listing.more();
      if (listing !== this.listing) return;
      this.#show();
      if (amongKeys) scrollBy(0, (listing.folders.length - folders) * rows.height);
    } catch (error) {
      this.failed = true; // from here on only the button asks for more
      this.#showFooter();
      complain(error);
    }
  }

  async #refresh() {
    const { listing } = this;
    if (listing.loading) return;
    try {
      await listing.refresh();
      if (listing === this.listing) this.#show();
    } catch (error) {
      complain(error);
    }
  }

  #refreshSoon = throttle(() => this.#gone.signal.aborted || this.#refresh(), REFRESH_MS);

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
    if (event.key === 'Delete' && this.listing.indexOf(key) >= 0 && api.keyUrl(key)) deleteKey(key, this.app);
  }

  #show() {
    const empty = this.listing.length === 0;
    this.#table.ariaBusy = 'false';
    this.#table.hidden = empty;
    this.#table.ariaRowCount = String(this.listing.hasMore ? -1 : this.listing.length + 1);
    this.#notice.hidden = !empty;
    this.#notice.role = null;
    if (empty) this.#notice.replaceChildren(...[emptyState(this.folder, this.filter)].flat());
    this.rows.update();
    this.#showFooter();
  }

  #showFailure(error) {
    this.#table.hidden = true;
    this.#notice.hidden = false;
    this.#notice.replaceChildren(
      h('h2', {}, error.title ?? 'Something went wrong'),
      h('p', {}, error.detail || error.message),
      h('button', { type: 'button', onclick: () => this.#load() }, icon('retry'), 'Try again'));
    this.#notice.role = 'alert';
  }

  #showFooter() {
    const { folders, keys, hasMore, loading } = this.listing;
    const parts = [folders.length ? count(folders.length, 'folder') : '', keys.length ? count(keys.length, 'key') : ''];
    const more = h('button', {
      type: 'button',
      disabled: loading,
      onclick: () => {
        this.failed = false;
        this.#more();
      },
    }, loading ? 'Loading…' : 'Load more');
    this.#footer.replaceChildren(
      parts.filter(Boolean).join(', ') + (hasMore && (folders.length || keys.length) ? ' so far' : ''),
      ...(hasMore ? [more] : []));
  }

  #acceptDrops(signal) {
    const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
    const here = this.folder ? plainName(this.folder) : 'this store';
    this.#overlay.append(icon('upload'), h('p', {}, `Drop to upload to ${here}`));
    addEventListener('dragover', (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.#overlay.hidden = false;
    }, { signal });
    addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) this.#overlay.hidden = true;
    }, { signal });
    addEventListener('drop', async (event) => {
      this.#overlay.hidden = true;
      if (!carriesFiles(event)) return;
      event.preventDefault();
      try {
        this.app.queue.add(await droppedFiles(event.dataTransfer), this.folder);
      } catch (error) {
        complain(error);
      }
    }, { signal });
  }
}

/** Shows `folder` ('' or ending in '/') in `root`. */
export const mountFolder = (root, folder, app) => new FolderView(root, folder, app);
