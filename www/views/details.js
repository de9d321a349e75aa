// The panel beside the list: all that is known of one key, a preview, and what can be done with it.

import * as api from '../api.js';
import {
  h,
  icon,
  iconButton,
  isText,
  notify,
  plainName,
  showName,
  size,
  splitKey,
  time,
} from '../util.js';
import { deleteKey } from './dialogs.js';

const TEXT_PREVIEW_BYTES = 64 * 1024;
const IMAGE_PREVIEW_BYTES = 32 * 1024 * 1024;

const LABELS = { size: 'Size', modified: 'Modified', type: 'Type', etag: 'ETag' };
const bytes = new Intl.NumberFormat('en');

function fact(name, value) {
  const shown =
    {
      size: () => `${size(value)}${value >= 1024 ? ` (${bytes.format(value)} bytes)` : ''}`,
      modified: () => time(value),
    }[name]?.() ?? (typeof value === 'object' ? JSON.stringify(value) : String(value) || '–');
  return [h('dt', {}, LABELS[name] ?? name), h('dd', { class: name }, shown)];
}

async function copyUrl(url) {
  try {
    await navigator.clipboard.writeText(url);
    notify('URL copied');
  } catch {
    // There is no clipboard without HTTPS.
    prompt('The URL of this key:', url);
  }
}

/** Shows images, and small texts as text: nothing of the value is ever run. */
async function preview({ key, type, size: length }, signal) {
  if (/^image\//.test(type) && length <= IMAGE_PREVIEW_BYTES) {
    const image = h('img', { src: api.keyUrl(key), alt: '', class: 'preview' });
    image.addEventListener('error', () => image.remove());
    return image;
  }
  if (isText(type) && length > 0 && length <= TEXT_PREVIEW_BYTES) {
    return h(
      'pre',
      { class: 'preview', tabindex: 0, 'aria-label': 'Content' },
      await api.text(key, signal),
    );
  }
  return null;
}

function actions(key, app) {
  const url = api.keyUrl(key);
  if (!url) {
    const why = 'Browsers have no way to write the URL of this key; other clients do.';
    return h('p', { class: 'muted' }, why);
  }
  return h(
    'div',
    { class: 'buttons' },
    h(
      'a',
      { class: 'button primary', href: url, download: splitKey(key)[1] || 'value' },
      icon('download'),
      'Download',
    ),
    h('button', { type: 'button', onclick: () => copyUrl(url) }, icon('link'), 'Copy URL'),
    h(
      'button',
      { type: 'button', class: 'danger-text', onclick: () => deleteKey(key, app) },
      icon('delete'),
      'Delete',
    ),
  );
}

/** Mounts the panel for `key` in `root`. */
export function mountDetails(root, key, app) {
  const controller = new AbortController();
  const [folder, name] = splitKey(key);
  const close = () => {
    location.hash = app.folderLink(folder);
  };
  const facts = h('dl', {});
  const title = h('h2', { tabindex: -1, title: plainName(key) }, showName(name));
  const body = h('div', { class: 'body' }, facts, actions(key, app));

  async function load() {
    try {
      const { key: _, ...known } = await api.meta(key, controller.signal);
      facts.replaceChildren(
        ...Object.entries(known).flatMap(([field, value]) => fact(field, value)),
      );
      const shown = await preview({ key, ...known }, controller.signal);
      body.querySelector('.preview')?.remove();
      if (shown) body.append(shown);
    } catch (error) {
      if (error.name === 'AbortError') return;
      facts.replaceChildren(
        h('dt', {}, error.title ?? 'Error'),
        h('dd', {}, error.detail || error.message),
      );
    }
  }

  root.replaceChildren(h('header', {}, title, iconButton('close', 'Close details', close)), body);
  root.hidden = false;
  title.focus({ preventScroll: true });
  if (api.keyUrl(key)) load();
  const { signal } = controller;
  const onEscape = (event) => {
    if (event.key === 'Escape' && !document.querySelector('dialog[open]')) close();
  };
  document.addEventListener('keydown', onEscape, { signal });
  app.changes.addEventListener('stored', ({ detail }) => detail === key && load(), { signal });
  app.changes.addEventListener('deleted', ({ detail }) => detail === key && close(), { signal });

  return {
    unmount() {
      controller.abort();
      root.hidden = true;
      root.replaceChildren();
    },
  };
}
