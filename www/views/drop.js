// Files dropped anywhere on the page.

import { droppedFiles } from '../uploads.js';
import { complain, h, icon } from '../util.js';

const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');

/**
 * Makes the element that says `label` while files are dragged over the page; `onfiles` gets what is
 * dropped as `[{path, file}, …]`. Until `signal` aborts.
 */
export function acceptDrops(label, onfiles, signal) {
  const overlay = h('div', { class: 'drop', hidden: true }, icon('upload'), h('p', {}, label));
  addEventListener(
    'dragover',
    (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      overlay.hidden = false;
    },
    { signal },
  );
  addEventListener(
    'dragleave',
    (event) => {
      if (!event.relatedTarget) overlay.hidden = true;
    },
    { signal },
  );
  addEventListener(
    'drop',
    (event) => {
      overlay.hidden = true;
      if (!carriesFiles(event)) return;
      event.preventDefault();
      droppedFiles(event.dataTransfer).then(onfiles).catch(complain);
    },
    { signal },
  );
  return overlay;
}
