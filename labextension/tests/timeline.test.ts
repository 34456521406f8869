import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { apply, parse, type GraphState } from '../src/protocol';
import { Timeline } from '../src/timeline';
import { describeTime, roundSeconds, roundStep } from '../src/ticks';
import { state, step } from './drawn';

let opened: string[];
let timeline: Timeline;

function told(bars: Record<string, unknown>, run: Record<string, unknown> = {}): GraphState {
  const names = ['load', 'fit', 'clean', 'later'];
  const known = state(names, { steps: Object.fromEntries(names.map(name => [name, step({ status: 'succeeded' })])) });
  return apply(known, { bars, run });
}

const BARS = {
  fit: ['w2', 1, 1.5, 4, true, 'waited 0.5 s for a worker, on the critical path'],
  load: ['w1', 0, 0, 1, false, ''],
  clean: ['', null, null, 1, false, '']
};
const rows = () => [...timeline.node.querySelectorAll<HTMLElement>('.mlp-row')];
const names = () => rows().map(row => row.dataset.mlpipeStep);
const lanes = () => [...timeline.node.querySelectorAll('.mlp-lane')].map(lane => lane.textContent);
const part = (name: string, kind: string) =>
  rows().find(row => row.dataset.mlpipeStep === name)!.querySelector<HTMLElement>(`.mlp-${kind}`);

function press(key: string): void {
  const event = new KeyboardEvent('keydown', { key, bubbles: true });
  Object.defineProperty(event, 'target', { value: document.activeElement });
  timeline.key(event);
}

beforeEach(() => {
  opened = [];
  timeline = new Timeline(name => opened.push(name));
  document.body.replaceChildren(timeline.node);
  timeline.show(true);
});
afterEach(() => {
  timeline.dispose();
  vi.useRealTimers();
});

test('steps stand under their workers in the order of time, what was reused below them', () => {
  timeline.paint(told(BARS, { status: 'succeeded', seconds: 4, path: 'fit: 2.5 s of 4.0 s' }));
  expect(lanes()).toEqual(['w1', 'w2', 'reused']);
  expect(names()).toEqual(['load', 'fit', 'clean']);
  expect(part('fit', 'wait')?.style.getPropertyValue('--from')).toBe('1');
  expect(part('fit', 'wait')?.style.getPropertyValue('--to')).toBe('1.5');
  expect(part('fit', 'ran')?.style.getPropertyValue('--to')).toBe('4');
  expect(part('clean', 'point')).not.toBeNull();
  expect(part('clean', 'wait')?.hidden).toBe(true);
  expect(rows()[1]?.classList.contains('mlp-critical')).toBe(true);
  expect(rows()[1]?.getAttribute('aria-label')).toContain('waited 0.5 s for a worker, on the critical path');
  expect(timeline.node.textContent).toContain('Critical path fit: 2.5 s of 4.0 s');
});

test('what runs grows while nothing is told, and what waits is listed', () => {
  vi.useFakeTimers();
  const going = apply(told({ fit: ['w', 0, 0, null, false, ''] }, { status: 'running', seconds: 1 }), {
    steps: { later: { status: 'waiting' } }
  });
  timeline.paint(going);
  expect(names()).toEqual(['fit', 'later']);
  const now = () => Number(timeline.node.querySelector<HTMLElement>('.mlp-scroll')!.style.getPropertyValue('--mlp-now'));
  vi.advanceTimersByTime(2000);
  expect(now()).toBeGreaterThan(2.5);
  timeline.show(false);
  const stood = now();
  vi.advanceTimersByTime(2000);
  expect(now()).toBe(stood);
});

test('keys go from row to row, and Enter opens a step', () => {
  timeline.paint(told(BARS, { status: 'succeeded', seconds: 4 }));
  expect(timeline.go('load')).toBe(true);
  press('ArrowDown');
  expect((document.activeElement as HTMLElement).dataset.mlpipeStep).toBe('fit');
  press('End');
  press('Enter');
  expect(opened).toEqual(['clean']);
  expect(timeline.go('never')).toBe(false);
});

test('a step that moves to another worker keeps the focus', () => {
  timeline.paint(told(BARS));
  timeline.go('load');
  timeline.paint(told({ ...BARS, load: ['w3', 0, 0, 2, false, ''] }));
  expect(names()).toEqual(['fit', 'load', 'clean']);
  expect((document.activeElement as HTMLElement).dataset.mlpipeStep).toBe('load');
});

test('where nothing has run it says so', () => {
  timeline.paint(state([]));
  expect(timeline.node.textContent).toContain('Nothing has run yet');
  expect(timeline.node.querySelector<HTMLElement>('.mlp-axis')?.hidden).toBe(true);
});

test('a bar that is of another version does no harm', () => {
  const all = { steps: {}, bars: { a: 7, b: ['w', 'x', null, Infinity] } };
  const message = parse({ graph: 'g', n: 0, all });
  const nothing = { queued: null, began: null, ended: null, isCritical: false, text: '' };
  expect(message).toMatchObject({ told: { bars: { a: { lane: '', ...nothing }, b: { lane: 'w', ...nothing } } } });
});

test('axes have round numbers', () => {
  expect([0.07, 1, 3, 17].map(span => roundStep(span, 4))).toEqual([0.02, 0.5, 1, 5]);
  expect([0.5, 4, 70, 3000, 90000].map(span => roundSeconds(span, 8))).toEqual([0.1, 0.5, 10, 600, 14400]);
  expect(describeTime(0.2, 0.1)).toBe('0.2 s');
  expect(describeTime(50, 10)).toBe('50 s');
  expect(describeTime(90, 30)).toBe('1:30 min');
  expect(describeTime(5400, 1800)).toBe('1:30 h');
});

test('an axis has as many times as there is room for', () => {
  const ticks = timeline.node.querySelector<HTMLElement>('.mlp-axis .mlp-track')!;
  const shown = (width: number) => {
    Object.defineProperty(ticks, 'clientWidth', { configurable: true, value: width });
    timeline.paint(told(BARS, { status: 'succeeded', seconds: 14 }));
    return [...ticks.children].map(tick => tick.textContent);
  };
  expect(shown(600)).toHaveLength(7);
  expect(shown(120)).toEqual(['0 s', '10 s']);
  expect(shown(30)).toEqual(['0 s']);
});
