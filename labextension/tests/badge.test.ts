import { describe, expect, it, vi } from 'vitest';
import { Badge } from '../src/lab/badge';
import { apply, parseState, type PipelineState } from '../src/lab/facts';

const EVIL = '<img src=x onerror="window.hit = 1"></script>';
const FIT = {
  cell: 'a',
  status: 'succeeded',
  plan: 'reuse',
  sign: '✓',
  text: 'ran 2 s',
  colour: '#080',
  why: 'helper double changed\nmore of it',
  took: '2 s',
  worker: 'local',
  reads: [['df', 'load'], ['seed', 'parameter']],
  makes: [['model', '3 × 2', '48 B']]
};

function facts(more: object = {}, name = 'fit') {
  const found = parseState({ steps: { [name]: { ...FIT, ...more } } }).steps[0];
  expect(found).toBeDefined();
  return found!;
}

function badge(more: object = {}, name = 'fit') {
  const made = new Badge(() => undefined);
  made.paint(facts(more, name));
  const [state, flow, why] = [...made.node.querySelectorAll('button > span')].map(part => part.textContent);
  const button = made.node.querySelector('button');
  return { made, state, flow, why, title: button?.title, label: button?.getAttribute('aria-label') };
}

describe('the badge of a step', () => {
  it('says its state, what flows through it, and why it ran', () => {
    const { state, flow, why, title, label } = badge();
    expect([state, flow, why]).toEqual(['✓ ran 2 s', 'df, seed → model', 'helper double changed']);
    expect(label).toBe('Step fit, ran 2 s, helper double changed, df, seed → model');
    expect(title?.split('\n')).toEqual([
      'fit: ran 2 s',
      'helper double changed',
      'more of it',
      'on local',
      'reads df from load',
      'reads seed from parameter',
      'makes model, 3 × 2, 48 B'
    ]);
  });

  it('says why only where somebody would ask', () => {
    expect(badge({ why: 'new' }).why).toBe('');
    expect(badge({ status: 'reused' }).why).toBe('');
    expect(badge({ status: 'failed', why: 'ValueError: x' }).why).toBe('ValueError: x');
    expect(badge({ status: 'reused', stale: true }).why).toBe('helper double changed');
    expect(badge({ status: null }).why).toBe('');
  });

  it('says that the cell was edited, before all else', () => {
    const { made } = badge();
    made.paint(facts(), 'edited since it was run');
    const why = made.node.querySelector('.mlp-badge-why');
    expect(why?.textContent).toBe('edited since it was run');
    expect(made.node.hasAttribute('data-mlpipe-edited')).toBe(true);
    made.paint(facts());
    expect(why?.textContent).toBe('helper double changed');
    expect(made.node.hasAttribute('data-mlpipe-edited')).toBe(false);
  });

  it('says what a stale step took, and marks it for style and tests', () => {
    const { made, state } = badge({ stale: true, plan: 'run', text: 'ran, now stale', sign: '▷' });
    expect(state).toBe('▷ ran, now stale · 2 s');
    const marks = ['step', 'status', 'plan', 'stale'].map(mark => made.node.getAttribute(`data-mlpipe-${mark}`));
    expect(marks).toEqual(['fit', 'succeeded', 'run', 'true']);
    made.paint(facts({ status: null }));
    expect(made.node.hasAttribute('data-mlpipe-stale')).toBe(false);
    expect(made.node.hasAttribute('data-mlpipe-status')).toBe(false);
  });

  it('shows how far a step is that tells', () => {
    const bar = (more: object) => badge(more).made.node.querySelector<HTMLElement>('.mlp-badge-done');
    expect(bar({ status: 'running', progress: 0.25 })?.style.width).toBe('25%');
    expect(bar({ status: 'running', progress: 0.25 })?.hidden).toBe(false);
    expect(bar({ progress: null })?.hidden).toBe(true);
  });

  it('leaves out what there is too much of', () => {
    const reads = [...'abcdefgh'].map(name => [name, 'load']);
    expect(badge({ reads, makes: [] }).flow).toBe('a, b, c, d, e, f, 2 more →');
    expect(badge({ reads: [] }).flow).toBe('→ model');
    expect(badge({ reads: [], makes: [] }).flow).toBe('');
  });

  it('shows what users typed as text alone', () => {
    const more = { text: EVIL, why: EVIL, worker: EVIL, reads: [[EVIL, EVIL]], makes: [[EVIL, EVIL, EVIL]], colour: 'x;}' };
    const { made, state } = badge(more, EVIL);
    expect(made.node.querySelectorAll('img, script')).toHaveLength(0);
    expect(state).toContain(EVIL);
    expect(made.node.getAttribute('data-mlpipe-step')).toBe(EVIL);
  });

  it('opens its step by mouse and by keyboard, which stays out of the cell', () => {
    const open = vi.fn();
    const made = new Badge(open);
    made.paint(facts());
    const button = made.node.querySelector('button');
    const above = vi.fn();
    made.node.addEventListener('keydown', above);
    button?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    expect(above).not.toHaveBeenCalled();
    button?.click();
    expect(open.mock.calls).toEqual([['fit', button]]);
  });
});

describe('the facts of a pipeline', () => {
  it('are the same objects where nothing has changed, so that nothing is drawn anew', () => {
    const before: PipelineState = parseState({ steps: { load: { cell: 'a' }, fit: { cell: 'b', text: 'waits' } }, run: { text: 'x' } });
    const after = apply(before, { steps: { fit: { text: 'running' }, new: { cell: 'c' } }, stale: { n: 2, text: 'Run 2' } });
    expect(after.steps.map(step => step.name)).toEqual(['load', 'fit', 'new']);
    expect(after.steps[0]).toBe(before.steps[0]);
    expect(after.steps[1]).toMatchObject({ cell: 'b', text: 'running' });
    expect([after.run.text, after.stale]).toEqual(['x', { n: 2, text: 'Run 2' }]);
  });

  it('may be of steps with any name', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'größe', 'x'.repeat(1_000_000)];
    let state = parseState({});
    for (const name of names) {
      state = apply(state, JSON.parse(`{"steps": {${JSON.stringify(name)}: {"cell": "a"}}}`));
      state = apply(state, JSON.parse(`{"steps": {${JSON.stringify(name)}: {"text": "ran"}}}`));
    }
    expect(state.steps.map(step => [step.name, step.cell, step.text])).toEqual(names.map(name => [name, 'a', 'ran']));
    expect(Object.hasOwn(Object.prototype, 'cell')).toBe(false);
  });

  it('name a cell where it is in the notebook that asks', () => {
    const parts = { steps: { one: { cell: 'a' }, two: { cell: 'a', notebook: 1 } } };
    const cells = (state: PipelineState): string[] => state.steps.map(({ cell }) => cell);
    expect(cells(parseState(parts, 'first'))).toEqual(['a', '']);
    const state = apply(parseState(parts, 'copy'), { notebooks: { copy: 1 } }, 'copy');
    expect(cells(state)).toEqual(['', 'a']);
    expect(cells(apply(state, { steps: { one: { notebook: 1 }, two: { notebook: 0 } } }, 'copy'))).toEqual(['a', '']);
  });

  it('are read from whatever was sent', () => {
    for (const sent of [{}, { steps: 3, run: [], stale: null }, { steps: { a: null, b: 3, c: [] } }]) {
      expect(parseState(sent).steps).toEqual([]);
    }
    const [step] = parseState({ steps: { a: { cell: 3, reads: [3, ['x']], stale: 'yes', progress: Number.NaN } } }).steps;
    expect(step).toMatchObject({ cell: '', reads: [['', ''], ['x', '']], stale: false, progress: null, accepted: false });
  });
});
