// Starts the page: routes by the address's hash, mounts the views, keeps the header.
//
//   #folder/a/b/   the folder `a/b/` ('' is the root)
//   #key/a/b/c     the same folder with the details of the key `a/b/c`

import * as api from './api.js';
import { UploadQueue } from './uploads.js';
import { askReplace } from './views/dialogs.js';
import { mountDetails } from './views/details.js';
import { mountFolder } from './views/folder.js';
import { mountUploads } from './views/uploads.js';
import { complain, count, plainName, splitKey, throttle } from './util.js';

/** What the views share. `changes` fires 'stored' and 'deleted', `detail` being the key. */
const app = {
  queue: new UploadQueue(askReplace),
  changes: new EventTarget(),
  folderLink: (folder) => `#folder/${api.encodePath(folder)}`,
  keyLink: (key) => `#key/${api.encodePath(key)}`,
};

const shown = { folder: null, key: null, view: null, details: null };

function parse(hash) {
  const [, view, path] = /^#(folder|key)\/(.*)$/s.exec(hash) ?? ['', 'folder', ''];
  const name = decodeURIComponent(path);
  if (view === 'key') return { folder: splitKey(name)[0], key: name };
  return { folder: name === '' || name.endsWith('/') ? name : `${name}/`, key: null };
}

function route() {
  let target;
  try {
    target = parse(location.hash);
  } catch {
    complain(new api.ApiError(0, 'This address names no key', 'It has a broken % escape.'));
    target = { folder: '', key: null };
  }
  if (target.folder !== shown.folder) {
    shown.view?.unmount();
    shown.view = mountFolder(document.getElementById('folder'), target.folder, app);
    window.scrollTo(0, 0);
  }
  if (target.key !== shown.key) {
    shown.details?.unmount();
    shown.details =
      target.key === null
        ? null
        : mountDetails(document.getElementById('details'), target.key, app);
    shown.view.select(target.key, shown.key);
  }
  Object.assign(shown, target);
  const name = target.key ?? target.folder;
  document.title = name === '' ? 'diskv' : `${plainName(name)} – diskv`;
}

async function showCount() {
  const { keys } = await api.stats();
  document.getElementById('count').textContent = count(keys, 'key');
}

const countSoon = throttle(() => showCount().catch(() => {}), 1000);

app.queue.addEventListener('stored', ({ detail }) => {
  app.changes.dispatchEvent(new CustomEvent('stored', { detail }));
});
app.changes.addEventListener('stored', countSoon);
app.changes.addEventListener('deleted', countSoon);
addEventListener('hashchange', route);
addEventListener('beforeunload', (event) => {
  if (app.queue.busy) event.preventDefault();
});

mountUploads(document.getElementById('uploads'), app);
route();
showCount().catch(complain);
