// A table body that keeps only the rows in sight in the document, so that 100,000 cost as little as 50.

import { h } from '../util.js';

const SPARE = 10; // rows drawn beyond either edge of the window

const spacer = () => h('tbody', { class: 'spacer', 'aria-hidden': 'true' }, h('tr', {}, h('td')));

/**
 * Drives `table`. `length()` says how many rows there are, `draw(i)` makes row `i` (all of one height, the CSS
 * variable --row), `onend()` is called when the last rows come near.
 */
export class Rows {
  #above = spacer();
  #body = h('tbody');
  #below = spacer();
  #drawn = new Map();
  #scheduled = 0;

  constructor(table, { length, draw, onend, signal }) {
    Object.assign(this, { table, length, draw, onend });
    table.append(this.#above, this.#body, this.#below);
    const soon = () => {
      this.#scheduled ||= requestAnimationFrame(() => this.#place());
    };
    addEventListener('scroll', soon, { passive: true, signal });
    addEventListener('resize', soon, { signal });
    table.addEventListener('keydown', (event) => this.#move(event));
    signal.addEventListener('abort', () => cancelAnimationFrame(this.#scheduled));
  }

  /** The height of a row in pixels. */
  get height() {
    return parseFloat(getComputedStyle(this.table).getPropertyValue('--row'));
  }

  /** The first row under the table's head. */
  get top() {
    return Math.max(0, Math.floor((this.#head() - this.#start()) / this.height));
  }

  /** Draws anew after the rows changed; the focus stays in the row of the same key. */
  update() {
    const focused = this.#body.contains(document.activeElement) ? document.activeElement : null;
    const where = focused && {
      key: focused.closest('tr').dataset.key,
      control: focused.dataset.control,
    };
    this.#place(true);
    if (!where) return;
    const same = Array.from(this.#body.rows).find((row) => row.dataset.key === where.key);
    same?.querySelector(`[data-control="${where.control}"]`)?.focus({ preventScroll: true });
  }

  /** Brings row `i` into sight and returns it. */
  reveal(i) {
    const y = this.#start() + i * this.height;
    if (y < this.#head()) scrollBy(0, y - this.#head());
    else if (y + this.height > innerHeight) scrollBy(0, y + this.height - innerHeight);
    this.#place();
    return this.#drawn.get(i);
  }

  #head() {
    return this.table.tHead.getBoundingClientRect().height;
  }

  /** Where row 0 is, or would be, in the window. */
  #start() {
    return this.#above.getBoundingClientRect().top;
  }

  /** Draws the rows in sight. Measures before it changes anything: a shorter page would scroll. */
  #place(anew = false) {
    this.#scheduled = 0;
    const { height } = this;
    const total = this.length();
    const visible = Math.ceil(innerHeight / height);
    const first = Math.min(
      Math.max(0, Math.floor(-this.#start() / height) - SPARE),
      Math.max(0, total - visible),
    );
    const last = Math.min(total, first + visible + 2 * SPARE);
    for (const [i, row] of this.#drawn) {
      if (!anew && i >= first && i < last) continue;
      row.remove();
      this.#drawn.delete(i);
    }
    for (let i = first; i < last; i++) {
      if (!this.#drawn.has(i)) this.#insert(i);
    }
    this.#above.rows[0].style.height = `${first * height}px`;
    this.#below.rows[0].style.height = `${(total - last) * height}px`;
    if (last > total - visible) this.onend();
  }

  #insert(i) {
    const row = this.draw(i);
    row.ariaRowIndex = String(i + 2);
    const before = this.#drawn.get(i - 1);
    if (before) before.after(row);
    else this.#body.prepend(row);
    this.#drawn.set(i, row);
  }

  /** Up, down, page keys, Home and End walk from row to row. */
  #move(event) {
    const row = event.target.closest('tbody tr');
    const page = Math.max(1, Math.floor(innerHeight / this.height) - 2);
    const steps = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    if (!row || !(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const target = Number(row.ariaRowIndex) - 2 + steps[event.key];
    this.reveal(Math.min(this.length() - 1, Math.max(0, target)))
      ?.querySelector('a')
      ?.focus({ preventScroll: true });
  }
}
