/** The runs of the notebook as a table that is sorted and filtered; two that are picked are compared. */

import { lineChart, type Point } from './chart';
import { button, element, hear, scroller, set, tint } from './dom';
import type { RunRow, RunsTable } from './protocol';

export interface RunsActions {
  show(run: string): void;
  compare(runs: [string, string]): void;
}

const MOST_CHARTS = 6;

export class Runs {
  readonly node = element('div', 'mlp-runs');
  readonly #field = element('input', {
    class: 'mlp-search',
    type: 'search',
    placeholder: 'Filter runs',
    'aria-label': 'Filter runs by any of their words'
  });
  readonly #count = element('span', 'mlp-faint');
  readonly #showing: HTMLButtonElement;
  readonly #comparing: HTMLButtonElement;
  readonly #charts = element('div', 'mlp-charts');
  readonly #metrics = scroller('Metrics', this.#charts);
  readonly #table = element('table', 'mlp-table mlp-grid');
  #data: RunsTable | null = null;
  #picked: string[] = [];
  #sortedBy = 'began';
  #isUp = false;

  constructor(private readonly actions: RunsActions) {
    this.#comparing = button('Compare', 'Compare the two runs that are picked', () => this.#compare());
    this.#showing = button('Timeline', 'Show when the steps of the run that is picked ran', () => this.actions.show(this.#picked[0] ?? ''));
    const acts = element('div', 'mlp-group', this.#showing, this.#comparing);
    const bar = element('div', 'mlp-tools', this.#field, this.#count, acts);
    this.node.append(bar, this.#metrics, scroller('Table of runs', this.#table));
    hear(this.#field, { input: () => this.#draw() });
    this.#count.textContent = 'Asked the kernel …';
    this.#mark();
  }

  show(table: RunsTable): void {
    const ids = new Set(table.rows.map(({ id }) => id));
    this.#picked = this.#picked.filter(id => ids.has(id));
    this.#data = table;
    this.#draw();
  }

  #compare(): void {
    const [first, second] = this.#picked;
    if (first !== undefined && second !== undefined) {
      this.actions.compare([first, second]);
    }
  }

  #draw(): void {
    const data = this.#data;
    if (!data) {
      return;
    }
    const { columns } = data;
    const words = this.#field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = (row: RunRow): string =>
      columns.map(([title], at) => `${title}=${textOf(row, at)} ${textOf(row, at)}`).join(' ').toLowerCase();
    const rows = data.rows.filter(row => words.every(word => texts(row).includes(word)));
    const by = Math.max(0, columns.findIndex(([title]) => title === this.#sortedBy));
    const sorted = [...rows].sort((one, other) => compare(valueOf(one, by), valueOf(other, by)) * (this.#isUp ? 1 : -1));
    const n = data.rows.length;
    const all = n === 0 ? 'No runs yet' : `${n} run${n === 1 ? '' : 's'}`;
    this.#count.textContent = rows.length < n ? `${rows.length} of ${all}` : all;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    this.#table.replaceChildren(this.#head(columns), element('tbody', {}, ...sorted.map(row => this.#row(row, columns))));
    if (focused) {
      [...this.#table.querySelectorAll<HTMLElement>('[data-key]')].find(({ dataset }) => dataset.key === focused)?.focus();
    }
    this.#plot(data, rows);
    this.#mark();
  }

  #head(columns: RunsTable['columns']): HTMLElement {
    const row = element('tr', {}, element('td', {}, element('span', 'mlp-hidden', 'pick')));
    for (const [title, kind] of columns) {
      const isBy = title === this.#sortedBy;
      const sign = isBy ? (this.#isUp ? ' ▴' : ' ▾') : '';
      const press = element('button', { type: 'button', class: 'mlp-sort', 'data-key': `sort ${title}` }, title, sign);
      hear(press, {
        click: () => {
          this.#isUp = isBy ? !this.#isUp : false;
          this.#sortedBy = title;
          this.#draw();
        }
      });
      const cell = element('th', { scope: 'col', class: styleOf(kind) }, press);
      set(cell, { 'aria-sort': isBy ? (this.#isUp ? 'ascending' : 'descending') : 'none' });
      row.append(cell);
    }
    return element('thead', {}, row);
  }

  #row(row: RunRow, columns: RunsTable['columns']): HTMLElement {
    const pick = element('input', { type: 'checkbox', 'aria-label': `pick the run of ${textOf(row, 0)}`, 'data-key': row.id });
    pick.checked = this.#picked.includes(row.id);
    hear(pick, { change: () => this.#pick(row.id) });
    const made = element('tr', { 'data-run': row.id }, element('td', {}, pick));
    columns.forEach(([, kind], at) => {
      const cell = element('td', styleOf(kind), textOf(row, at));
      tint(cell, row.colour);
      made.append(cell);
    });
    hear(made, { click: event => event.target !== pick && this.#pick(row.id) });
    return made;
  }

  /** Picks a run, or lets go of it; of two that are picked the earlier choice gives way to a third. */
  #pick(id: string): void {
    const isPicked = this.#picked.includes(id);
    this.#picked = isPicked ? this.#picked.filter(other => other !== id) : [...this.#picked.slice(-1), id];
    this.#mark();
  }

  #mark(): void {
    for (const row of this.#table.querySelectorAll<HTMLElement>('[data-run]')) {
      const isPicked = this.#picked.includes(row.dataset.run ?? '');
      row.classList.toggle('mlp-picked', isPicked);
      const box = row.querySelector('input');
      if (box) {
        box.checked = isPicked;
      }
    }
    this.#showing.disabled = this.#picked.length !== 1;
    this.#comparing.disabled = this.#picked.length !== 2;
  }

  /** Draws what steps have logged, over the runs that are listed, in the order of time. */
  #plot({ columns }: RunsTable, rows: RunRow[]): void {
    const inTime = [...rows].sort((one, other) => compare(valueOf(one, 0), valueOf(other, 0)));
    const charts: HTMLElement[] = [];
    columns.forEach(([title, kind], at) => {
      const found = inTime.filter(row => kind === 'metric' && typeof valueOf(row, at) === 'number');
      const points = found.map((row, x): Point => {
        return { x, y: Number(valueOf(row, at)), label: `${textOf(row, at)} · ${textOf(row, 0)}`, isHollow: row.is_reused };
      });
      if (points.length > 1 && charts.length < MOST_CHARTS) {
        charts.push(lineChart(title, points, point => this.#pick(found[point]?.id ?? '')));
      }
    });
    this.#charts.replaceChildren(...charts);
    this.#metrics.hidden = charts.length === 0;
  }
}

const textOf = ({ cells }: RunRow, column: number): string => cells[column]?.[0] ?? '';

const valueOf = ({ cells }: RunRow, column: number): string | number => cells[column]?.[1] ?? '';

/** Of the cells of a column; the colour of a run is that of its state. */
const styleOf = (kind: string): string => ({ text: '', state: 'mlp-state' })[kind] ?? 'mlp-number';

function compare(one: string | number, other: string | number): number {
  if (typeof one === 'number' && typeof other === 'number') {
    return one - other;
  }
  // What is not there comes last, whichever way.
  return typeof one === typeof other ? String(one).localeCompare(String(other)) : typeof one === 'number' ? 1 : -1;
}
