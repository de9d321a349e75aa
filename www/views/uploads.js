// The panel of uploads in the corner: progress in total and for each file.

import {
  complain,
  count,
  duration,
  h,
  iconButton,
  notify,
  plainName,
  size,
  throttle,
} from '../util.js';

const SHOWN = 50; // of thousands of files, those that matter most
const ORDER = ['conflict', 'active', 'failed', 'waiting', 'done', 'skipped', 'cancelled'];
const REFRESH_MS = 150;
const LINGER_MS = 4000;

const STATES = {
  waiting: () => 'Waiting',
  active: ({ sent, file }) =>
    sent < file.size ? `${size(sent)} of ${size(file.size)}` : 'Storing…',
  conflict: () => 'Already there',
  done: ({ file }) => size(file.size),
  failed: ({ error }) => [error.title, error.detail].filter(Boolean).join(': '),
  skipped: () => 'Kept the old',
  cancelled: () => 'Cancelled',
};

const bar = (label) => h('progress', { max: 1, value: 0, 'aria-label': label });

/** The elements of one file, and how to bring them up to date. */
function makeRow(item, queue) {
  const name = plainName(item.key);
  const progress = bar(name);
  const state = h('span', { class: 'muted' });
  const cancel = iconButton('close', `Cancel ${name}`, () => queue.cancel(item));
  const retry = iconButton('retry', `Try ${name} again`, () => queue.retry(item));
  const element = h(
    'li',
    {},
    h(
      'div',
      { class: 'line' },
      h('span', { class: 'name', title: name }, h('bdi', {}, name)),
      state,
    ),
    cancel,
    retry,
    progress,
  );
  const update = () => {
    element.dataset.state = item.state;
    state.textContent = STATES[item.state](item);
    state.title = state.textContent;
    progress.value = item.state === 'done' ? 1 : item.sent / Math.max(1, item.file.size);
    progress.hidden = item.state !== 'active';
    cancel.hidden = item.finished;
    retry.hidden = item.state !== 'failed';
  };
  return { element, update };
}

function headline({ files, done, failed }, busy) {
  if (busy)
    return `Uploading ${done + failed + 1 > files ? files : done + failed + 1} of ${count(files, 'file')}`;
  if (failed) return `${count(failed, 'upload')} failed`;
  return done ? `${count(done, 'file')} uploaded` : 'Nothing uploaded';
}

function pace({ bytes, sent, rate }) {
  const amount = `${size(sent)} of ${size(bytes)}`;
  if (rate < 1 || sent === bytes) return amount;
  return `${amount} · ${size(rate)}/s · ${duration((bytes - sent) / rate)} left`;
}

/** Mounts the panel in `root` for as long as the page lives; it hides itself while there is nothing to show. */
export function mountUploads(root, { queue }) {
  const rows = new Map();
  const title = h('h2');
  const rate = h('p', { class: 'muted' });
  const total = bar('All uploads');
  const list = h('ul');
  const hidden = h('p', { class: 'muted more' });
  const cancelAll = h('button', { type: 'button', onclick: () => queue.cancelAll() }, 'Cancel all');
  const dismiss = iconButton('close', 'Close', () => queue.clear());
  let leaving = 0;

  root.replaceChildren(
    h('header', {}, h('div', {}, title, rate), cancelAll, dismiss),
    total,
    list,
    hidden,
  );

  function show() {
    const { items, busy } = queue;
    root.hidden = items.length === 0;
    const totals = queue.totals();
    title.textContent = headline(totals, busy);
    rate.textContent = busy ? pace(totals) : '';
    total.value = totals.bytes ? totals.sent / totals.bytes : Number(!busy);
    total.hidden = cancelAll.hidden = !busy;
    dismiss.hidden = busy;
    showItems(items);
  }

  function showItems(items) {
    const first = ORDER.flatMap((state) => items.filter((item) => item.state === state)).slice(
      0,
      SHOWN,
    );
    for (const [item, { element }] of rows) {
      if (first.includes(item)) continue;
      element.remove();
      rows.delete(item);
    }
    for (const item of first) {
      if (!rows.has(item)) rows.set(item, makeRow(item, queue));
      rows.get(item).update();
    }
    const wanted = first.map((item) => rows.get(item).element);
    if (wanted.some((element, i) => list.children[i] !== element)) list.replaceChildren(...wanted);
    hidden.textContent =
      items.length > SHOWN ? `and ${count(items.length - SHOWN, 'other file')}` : '';
  }

  const showSoon = throttle(show, REFRESH_MS);
  queue.addEventListener('change', () => {
    clearTimeout(leaving);
    showSoon();
  });
  queue.addEventListener('idle', () => {
    const { done, failed } = queue.totals();
    if (done) notify(`${count(done, 'file')} uploaded`);
    if (failed) complain(queue.items.find((item) => item.state === 'failed').error);
    else leaving = setTimeout(() => queue.clear(), LINGER_MS);
  });
}
