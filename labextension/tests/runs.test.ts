import { beforeEach, expect, test, vi } from 'vitest';
import { lineChart } from '../src/chart';
import { Instead } from '../src/instead';
import { parse, type Cell, type Compared, type RunRow, type RunsTable } from '../src/protocol';
import { Runs } from '../src/runs';
import { toDrawing } from '../src/svg';

const EVIL = '<img src=x onerror="window.hit=1"></script><script>window.hit=1</script>';
let compared: [string, string][];
let shown: string[];
let runs: Runs;

function row(id: string, at: number, seconds: number, rate: Cell, auc: Cell): RunRow {
  const [when, status] = [`day ${at}`, seconds > 5 ? 'failed' : 'succeeded'];
  const cells: Cell[] = [[when, at], ['fit', 'fit'], [`✓ ${status}`, status], [`${seconds} s`, seconds], rate, auc];
  return { id, colour: '#000', is_reused: false, cells };
}

const TABLE: RunsTable = {
  columns: [['began', 'text'], ['what', 'text'], ['status', 'state'], ['took', 'number'], ['rate', 'number'], ['fit.auc', 'metric']],
  rows: [
    row('c', 3, 1, ['0.3', 0.3], ['0.9', 0.9]),
    row('b', 2, 9, ['0.2', 0.2], ['', '']),
    row('a', 1, 2, ['0.1', 0.1], ['0.7', 0.7])
  ]
};
const ids = () => [...runs.node.querySelectorAll<HTMLElement>('[data-run]')].map(found => found.dataset.run);
const boxes = () => [...runs.node.querySelectorAll<HTMLInputElement>('[type=checkbox]')];
const button = (text: string, node: Element = runs.node) =>
  [...node.querySelectorAll('button')].find(({ textContent }) => textContent?.startsWith(text))!;

beforeEach(() => {
  compared = [];
  shown = [];
  runs = new Runs({ compare: pair => compared.push(pair), show: run => shown.push(run) });
  document.body.replaceChildren(runs.node);
  runs.show(TABLE);
});

test('runs are sorted by any column, what has no value last or first', () => {
  expect(ids()).toEqual(['c', 'b', 'a']);
  button('took').click();
  expect(ids()).toEqual(['b', 'a', 'c']);
  button('took').click();
  expect(ids()).toEqual(['c', 'a', 'b']);
  expect(button('took').closest('th')?.getAttribute('aria-sort')).toBe('ascending');
  button('fit.auc').click();
  expect(ids()).toEqual(['c', 'a', 'b']);
});

test('runs are filtered by their words, and the charts with them', () => {
  const field = runs.node.querySelector<HTMLInputElement>('[type=search]')!;
  expect(runs.node.querySelectorAll('.mlp-chart .mlp-dot')).toHaveLength(2);
  field.value = 'rate=0.1';
  field.dispatchEvent(new Event('input'));
  expect(ids()).toEqual(['a']);
  expect(runs.node.textContent).toContain('1 of 3 runs');
  expect(runs.node.querySelector('.mlp-chart')).toBeNull();
});

test('two runs are picked to be compared, a third takes the place of the first', () => {
  expect(button('Compare').disabled).toBe(true);
  for (const box of boxes()) {
    box.click();
  }
  expect(boxes().map(({ checked }) => checked)).toEqual([false, true, true]);
  runs.show(TABLE);
  expect(boxes().map(({ checked }) => checked)).toEqual([false, true, true]);
  button('Compare').click();
  expect(compared).toEqual([['b', 'a']]);
});

test('a chart is gone through by keys, and says what it shows', () => {
  const press = vi.fn();
  const points = [0.5, 0.25, 0.75].map((y, x) => ({ x, y, label: `${y} at ${x}` }));
  const chart = lineChart('loss', points, press);
  document.body.append(chart);
  const key = (name: string) => chart.dispatchEvent(new KeyboardEvent('keydown', { key: name }));
  expect(chart.getAttribute('aria-label')).toMatch(/^loss: 3 values from 0.25 to 0.75/);
  key('ArrowLeft');
  expect(chart.querySelector('.mlp-value')?.textContent).toBe('0.25 at 1');
  key('Home');
  key('Enter');
  expect(press).toHaveBeenCalledWith(0);
  chart.dispatchEvent(new FocusEvent('blur'));
  expect(chart.querySelector('.mlp-value')?.textContent).toBe('0.75 at 2');
});

test('values that are all the same, or one, are drawn as well', () => {
  for (const ys of [[1, 1], [0, 0], [5], [1e-9, 2e9]]) {
    const chart = lineChart('x', ys.map((y, x) => ({ x, y, label: '' })));
    expect(chart.querySelector('polyline')?.getAttribute('points')).not.toMatch(/NaN|Infinity/);
  }
});

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="window.hit=1"><g class="node" ' +
  'data-mlpipe-step="fit" data-mlpipe-status="succeeded" onclick="window.hit=1"><rect class="mlpipe-box"/>' +
  '<text class="mlpipe-state">x</text><script>window.hit=1</script><foreignObject/></g></svg>';

function difference(text: string): Compared {
  return {
    runs: [{ id: 'a', text: 'before' }, { id: 'b', text: 'now' }],
    pictures: [SVG, SVG],
    parameters: [[text, '1', '2']],
    steps: [
      {
        name: 'fit',
        states: [['#000', '✓ ran 2 s'], ['#000', '✓ ran 3 s']],
        reasons: [{ text, diff: '-x = 1\n+x = 2' }],
        metrics: [['auc', '0.7', '0.9']],
        differs: true
      },
      { name: 'load', states: [['', 'reused'], ['', 'reused']], reasons: [], metrics: [], differs: false }
    ],
    same: 1
  };
}

test('two runs stand side by side, with what differs and why', () => {
  const leave = vi.fn();
  const comparison = new Instead(leave);
  document.body.append(comparison.node);
  comparison.compared(difference('helper clean changed'));
  expect(comparison.node.hidden).toBe(false);
  const labels = [...comparison.node.querySelectorAll('.mlpipe-state')].map(({ textContent }) => textContent);
  expect(labels).toEqual(['✓ ran 2 s', '✓ ran 3 s']);
  expect(comparison.node.querySelectorAll('.mlp-differs')).toHaveLength(2);
  const shown = ['helper clean changed', '+x = 2', 'auc 0.7 → 0.9', 'One step is the same in both.'];
  expect(shown.filter(text => !comparison.node.textContent?.includes(text))).toEqual([]);
  button('‹ Runs', comparison.node).click();
  expect(leave).toHaveBeenCalled();
});

test('a drawing is made anew of what drawings have, whatever else is in it', () => {
  const drawn = toDrawing(SVG)!;
  expect(drawn.querySelector('script, foreignObject')).toBeNull();
  expect(drawn.getAttribute('onload') ?? drawn.querySelector('g')!.getAttribute('onclick')).toBeNull();
  expect(drawn.querySelector('g')!.getAttribute('data-mlpipe-step')).toBe('fit');
  expect(toDrawing('<p>no drawing</p>')).toBeNull();
  expect(toDrawing(EVIL)).toBeNull();
});

test('whatever a run or a parameter is called is text', () => {
  const evil = [EVIL, EVIL] as Cell;
  runs.show({ columns: [[EVIL, EVIL], [EVIL, 'metric']], rows: [{ id: EVIL, colour: EVIL, is_reused: true, cells: [evil, evil] }] });
  const comparison = new Instead(() => {});
  document.body.append(comparison.node);
  comparison.compared(difference(EVIL));
  expect(document.body.querySelectorAll('img, script')).toHaveLength(0);
  expect((window as unknown as { hit?: number }).hit).toBeUndefined();
});

test('one run that is picked shows when its steps ran', () => {
  expect(button('Timeline').disabled).toBe(true);
  boxes()[1]!.click();
  button('Timeline').click();
  expect(shown).toEqual(['b']);
  boxes()[0]!.click();
  expect([button('Timeline').disabled, button('Compare').disabled]).toEqual([true, false]);

  let n_left = 0;
  const past = new Instead(() => n_left++);
  document.body.append(past.node);
  const state = { run: { status: 'succeeded', seconds: 2, path: 'fit: 2 s' }, steps: { fit: { text: EVIL } }, bars: { fit: ['w', 0, 0.5, 2, true, ''] } };
  const message = parse({ graph: 'g', past: { text: EVIL, state } });
  if (message?.kind === 'past') {
    past.past(message.told);
  }
  const row = past.node.querySelector<HTMLElement>('.mlp-row')!;
  expect(row.getAttribute('role')).toBe('img');
  expect(past.node.querySelector('.mlp-path')?.textContent).toBe('Critical path fit: 2 s');
  expect(past.node.querySelector('img, script')).toBeNull();
  button('‹ Runs', past.node).click();
  expect(n_left).toBe(1);
  past.close();
  expect(past.node.children).toHaveLength(0);
});

test('tables and comparisons of another version do no harm', () => {
  expect(parse({ graph: 'g', runs: { rows: [1, { cells: [2, ['x']] }] } })).toMatchObject({
    told: { columns: [], rows: [{ id: '', cells: [] }, { id: '', is_reused: false, cells: [['', ''], ['x', '']] }] }
  });
  expect(parse({ graph: 'g', compared: { runs: [1], steps: ['x', { states: [3] }] } })).toMatchObject({
    told: { runs: [{ id: '' }], pictures: [], steps: [{ states: [] }, { name: '', states: [['', '']], differs: false }] }
  });
});
