// Small things that every view needs: making elements, showing names, sizes and times, telling the user.

/** Makes an element: `h('a', { href, class: 'x', onclick }, child, 'text', …)`; null children are left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** One of the symbols in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button that is only an icon; `label` is its accessible name and its tooltip. */
export const iconButton = (name, label, onclick, properties = {}) =>
  h(
    'button',
    {
      type: 'button',
      class: 'icon-button',
      'aria-label': label,
      title: label,
      onclick,
      ...properties,
    },
    icon(name),
  );

// Control, format and separator characters, odd spaces, and spaces at an end: all that would be
// invisible or would turn the text around. A joiner after a non-ASCII character belongs to it.
const INVISIBLE =
  /(?!(?<=[^\x00-\x7f])[\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}|^ +| +$/gu;
const SHORT = { '\t': '\\t', '\n': '\\n', '\r': '\\r', ' ': '␣' };

function escaped(run) {
  return Array.from(run, (c) => {
    const hex = c.codePointAt(0).toString(16);
    return SHORT[c] ?? (hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`);
  }).join('');
}

/** A name in plain text, with what would be invisible spelled out. */
export const plainName = (name) =>
  name === '' ? '(empty name)' : name.replace(INVISIBLE, escaped);

/** The same as an element, what is spelled out being marked as such. */
export function showName(name) {
  if (name === '')
    return h('span', { class: 'odd', title: 'This component of the key is empty' }, 'empty name');
  const parts = [];
  let end = 0;
  for (const match of name.matchAll(INVISIBLE)) {
    parts.push(name.slice(end, match.index), h('span', { class: 'odd' }, escaped(match[0])));
    end = match.index + match[0].length;
  }
  return h('bdi', {}, ...parts, name.slice(end));
}

/** `a/b/c` → `['a/b/', 'c']`: the folder a key is listed in, and its name there. */
export function splitKey(key) {
  const start = key.lastIndexOf('/') + 1;
  return [key.slice(0, start), key.slice(start)];
}

const integer = new Intl.NumberFormat('en');
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export const count = (n, one, many = `${one}s`) => `${integer.format(n)} ${n === 1 ? one : many}`;

/** `null` is a size that nobody knows: of a value that another program compressed. */
export function size(bytes) {
  if (bytes === null) return '–';
  let unit = 0;
  let value = bytes;
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A `<time>` element for an RFC 3339 time; `brief` leaves out the time of day. */
export function time(stamp, brief = false) {
  const date = new Date(stamp ?? NaN);
  if (Number.isNaN(date.getTime())) return h('span', {}, '–');
  return h(
    'time',
    { datetime: date.toISOString(), title: date.toISOString() },
    (brief ? day : moment).format(date),
  );
}

/** Which icon suits a media type. */
export function iconFor(type = '') {
  if (type.startsWith('image/')) return 'image';
  return isText(type) ? 'text' : 'file';
}

/** Whether values of this media type can be shown as text. */
export const isText = (type = '') =>
  /^(text\/|application\/(json|xml|javascript|x-sh|toml|yaml)\b)|\+(json|xml)\b/.test(type) &&
  !type.startsWith('image/');

/** Runs `task` at most once per `interval` milliseconds, the last call never being lost. */
export function throttle(task, interval) {
  let timer = 0;
  let last = 0;
  return () => {
    if (timer) return;
    timer = setTimeout(
      () => {
        timer = 0;
        last = performance.now();
        task();
      },
      Math.max(0, last + interval - performance.now()),
    );
  };
}

function toast(role, title, detail, seconds) {
  const box = h(
    'div',
    { class: `toast ${role}`, role },
    h('div', {}, h('strong', {}, title), detail ? h('p', {}, detail) : null),
    iconButton('close', 'Dismiss', () => box.remove()),
  );
  document.getElementById('toasts').append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}

/** Says that something worked. */
export const notify = (title) => toast('status', title, '', 5);

/** Says what went wrong, in the server's words where it had some; an abort is none. */
export function complain(error) {
  if (error.name === 'AbortError') return;
  toast('alert', error.title ?? 'Something went wrong', error.detail ?? error.message, 20);
}
