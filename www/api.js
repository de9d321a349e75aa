// The server's URLs and its HTTP: no other module knows them.

const BASE = new URL('.', document.baseURI);

/** A request that failed: `status` is 0 where no answer came, `title` and `detail` are for people. */
export class ApiError extends Error {
  constructor(status, title, detail = '') {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

const encode = (text) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const isDots = (component) => component === '.' || component === '..';

/**
 * The path of a key in the form that `keyUrl` and the address bar use: components encoded, `/` kept.
 */
export const encodePath = (key) => key.split('/').map(encode).join('/');

/**
 * The URL of a key, or null for the keys `.` and `..`. Browsers take a path segment that is exactly
 * `.` or `..` away, however it is encoded, so the slashes around one are written `%2F`.
 */
export function keyUrl(key) {
  if (isDots(key)) return null;
  const components = key.split('/');
  let path = encode(components[0]);
  for (let i = 1; i < components.length; i++) {
    path += isDots(components[i - 1]) || isDots(components[i]) ? '%2F' : '/';
    path += encode(components[i]);
  }
  return new URL(`${BASE.origin}${BASE.pathname}keys/${path}`).href;
}

function urlOf(key) {
  const url = keyUrl(key);
  if (!url)
    throw new ApiError(0, 'Browsers cannot ask for this key', `No URL leads to the key “${key}”.`);
  return url;
}

const unreachable = () =>
  new ApiError(0, 'The server cannot be reached', 'Nothing answered. Is it running?');

/** Makes an error of an answer: RFC 9457, or whatever a proxy put in its place. */
function failure(status, statusText, body) {
  try {
    const problem = JSON.parse(body);
    if (problem.title) return new ApiError(status, problem.title, problem.detail);
  } catch {
    /* not JSON */
  }
  return new ApiError(status, `The server answered ${status}`, statusText);
}

async function request(url, options) {
  let response;
  try {
    response = await fetch(url, { cache: 'no-cache', ...options });
  } catch (error) {
    throw error.name === 'AbortError' ? error : unreachable();
  }
  if (!response.ok) throw failure(response.status, response.statusText, await response.text());
  return response;
}

const json = async (url, options) => (await request(url, options)).json();

/** One page of a listing: `{keys, prefixes, next}`, `next` being the `from` of the page after it. */
export async function list({ prefix = '', from = '', limit, signal }) {
  const query = Object.entries({ prefix, delimiter: '/', limit, from })
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${encode(String(value))}`);
  const {
    keys = [],
    prefixes = [],
    next,
  } = await json(new URL(`keys?${query.join('&')}`, BASE), { signal });
  return { keys, prefixes, next };
}

/** The server's counters. */
export const stats = () => json(new URL('stats', BASE));

/** What is known of a key's value: `{key, size, modified, etag, type, …}`. */
export const meta = async (key, signal) => json(`${urlOf(key)}?meta`, { signal });

/** The value as text, for small ones. */
export const text = async (key, signal) => (await request(urlOf(key), { signal })).text();

/** Whether the key has a value: by a listing, as browsers report a HEAD's 404 as an error. */
export async function exists(key, signal) {
  const { keys } = await list({ prefix: key, limit: 1, signal });
  return keys.length === 1 && keys[0].key === key;
}

/** Deletes the key; a key that is already gone is fine. */
export async function remove(key) {
  try {
    await request(urlOf(key), { method: 'DELETE' });
  } catch (error) {
    if (error.status !== 404) throw error;
  }
}

/**
 * Stores `file` as the value of `key`; without `replace` an existing value stays and the error's
 * status is 412. `onprogress` gets the bytes sent so far. XMLHttpRequest, as fetch() does not tell.
 */
export function upload(key, file, { replace, onprogress, signal }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    xhr.open('PUT', urlOf(key));
    if (!replace) xhr.setRequestHeader('If-None-Match', '*');
    xhr.upload.onprogress = (event) => onprogress(event.loaded);
    xhr.onload = () =>
      xhr.status < 300 ? resolve() : reject(failure(xhr.status, xhr.statusText, xhr.responseText));
    xhr.onerror = () =>
      reject(
        new ApiError(
          0,
          'The upload broke off',
          'The connection was cut, or the file could not be read.',
        ),
      );
    xhr.onabort = () => reject(signal.reason);
    xhr.onloadend = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    xhr.send(file);
  });
}
