// The questions that the page asks, and the deletion that follows one.

import * as api from '../api.js';
import { complain, h, notify, plainName, showName, splitKey } from '../util.js';

/** Shows a modal dialog and resolves to the value of the button that closed it ('' for Escape). */
function ask(title, children, buttons) {
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'dialog-title' },
    h(
      'form',
      { method: 'dialog' },
      h('h2', { id: 'dialog-title' }, title),
      children,
      h(
        'div',
        { class: 'buttons' },
        buttons.map(({ label, ...properties }) => h('button', properties, label)),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

const keyBlock = (key) =>
  h(
    'p',
    { class: 'key-block' },
    key
      .split('/')
      .flatMap((component, i) => [
        i ? '/' : null,
        component === '' && i ? null : showName(component),
      ]),
  );

async function askDelete(key) {
  const answer = await ask(
    'Delete this key?',
    [
      keyBlock(key),
      h('p', {}, 'Its file is removed from the server’s disk. This cannot be undone.'),
    ],
    [
      { label: 'Cancel', value: '', autofocus: true },
      { label: 'Delete', value: 'delete', class: 'danger' },
    ],
  );
  return answer === 'delete';
}

/** Deletes `key` if the user agrees, and tells the views. */
export async function deleteKey(key, app) {
  if (!(await askDelete(key))) return;
  try {
    await api.remove(key);
    app.changes.dispatchEvent(new CustomEvent('deleted', { detail: key }));
    notify(`Deleted “${plainName(splitKey(key)[1])}”`);
  } catch (error) {
    complain(error);
  }
}

/** Resolves to `{replace, always}`; `others` is how many files are still to come. */
export async function askReplace(key, others) {
  const always = h('input', { type: 'checkbox' });
  const answer = await ask(
    'Replace what is there?',
    [
      keyBlock(key),
      h('p', {}, `“${splitKey(key)[1]}” already has a value. Replacing it cannot be undone.`),
      others
        ? h('label', { class: 'check' }, always, 'Do the same for every other that is there')
        : null,
    ],
    [
      { label: 'Keep the old', value: '', autofocus: true },
      { label: 'Replace', value: 'replace', class: 'primary' },
    ],
  );
  return { replace: answer === 'replace', always: always.checked };
}
