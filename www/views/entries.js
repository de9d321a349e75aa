// How folders and keys look in the list.

import * as api from '../api.js';
import { h, icon, iconButton, iconFor, plainName, showName, size, time } from '../util.js';
import { deleteKey } from './dialogs.js';

/** The row of a folder of the listing. */
export function folderRow({ folder, name }, app) {
  return h(
    'tr',
    { 'data-key': folder },
    h(
      'td',
      { class: 'name' },
      h(
        'a',
        { href: app.folderLink(folder), 'data-control': 'open' },
        icon('folder'),
        h('span', { class: 'label' }, showName(name), h('span', { class: 'muted' }, '/')),
      ),
    ),
    h('td', { class: 'size' }),
    h('td', { class: 'modified' }),
    h('td', { class: 'type' }),
    h('td', { class: 'actions' }),
  );
}

function keyActions(entry, app) {
  const url = api.keyUrl(entry.key);
  const name = plainName(entry.name);
  if (!url) {
    const why = 'Browsers have no way to write the URL of this key';
    return h('span', { class: 'muted', title: why }, 'no URL');
  }
  return [
    h(
      'a',
      {
        class: 'icon-button',
        href: url,
        download: entry.name || 'value',
        title: 'Download',
        'aria-label': `Download ${name}`,
        'data-control': 'download',
      },
      icon('download'),
    ),
    iconButton('delete', `Delete ${name}`, () => deleteKey(entry.key, app), {
      title: 'Delete',
      'data-control': 'delete',
    }),
  ];
}

/** The row of a key; `selected` while its details are shown. */
export function keyRow(entry, selected, app) {
  const brief = h(
    'span',
    { class: 'brief muted' },
    `${size(entry.size)} · `,
    time(entry.modified, true),
  );
  return h(
    'tr',
    { 'data-key': entry.key, 'aria-current': selected && 'true' },
    h(
      'td',
      { class: 'name' },
      h(
        'a',
        { href: app.keyLink(entry.key), 'data-control': 'open' },
        icon(iconFor(entry.type)),
        h('span', { class: 'label' }, showName(entry.name), brief),
      ),
    ),
    h('td', { class: 'size' }, size(entry.size)),
    h('td', { class: 'modified' }, time(entry.modified)),
    h('td', { class: 'type', title: entry.type }, entry.type || '–'),
    h('td', { class: 'actions' }, keyActions(entry, app)),
  );
}

/** The table without rows. */
export const makeTable = () =>
  h(
    'table',
    {},
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { class: 'name', scope: 'col' }, 'Name'),
        h('th', { class: 'size', scope: 'col' }, 'Size'),
        h('th', { class: 'modified', scope: 'col' }, 'Modified'),
        h('th', { class: 'type', scope: 'col' }, 'Type'),
        h('th', { class: 'actions' }, h('span', { class: 'hidden' }, 'Actions')),
      ),
    ),
  );
