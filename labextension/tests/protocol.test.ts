import { expect, test } from 'vitest';
import { apply, parse } from '../src/protocol';
import { state, step } from './drawn';

test('what the kernel sends is told apart', () => {
  const run = { status: null, sign: '', colour: '', text: '1 step', seconds: 2, path: 'a: 2 s' };
  const all = { run, steps: { a: step() }, flows: { 0: ['2 kB', 'x: 2 kB'] }, bars: { a: ['w', 0, 0.5, null, true, 'ran'] }, stale: { count: 1, text: 'run 1 stale' } };
  const bar = { lane: 'w', queued: 0, began: 0.5, ended: null, isCritical: true, text: 'ran' };
  expect(parse({ graph: 'g', n: 3, all })).toEqual({ kind: 'all', graph: 'g', n: 3, step: '', told: { ...all, bars: { a: bar }, stale: 'run 1 stale' } });
  expect(parse({ graph: 'g', n: 4, changed: {} })?.kind).toBe('changed');
  expect(parse({ graph: 'g', step: 'a', log: 'x' })).toMatchObject({ kind: 'log', graph: 'g', step: 'a', told: 'x' });
  expect(parse({ graph: 'g', said: 'no' })).toMatchObject({ kind: 'said', graph: 'g', told: 'no' });
});

test('what is nothing of ours, or of another version, does no harm', () => {
  const nothing = [null, 1, 'x', [], {}, { graph: 1 }, { graph: 'g' }, { graph: 'g', n: 1 }, { graph: 'g', step: 'a' }];
  for (const value of nothing) {
    expect(parse(value)).toBeNull();
  }
  const steps = { a: 7, b: { makes: [3, ['x']], progress: 'half' } };
  expect(parse({ graph: 'g', n: 1, all: { steps } })).toMatchObject({
    told: {
      run: { status: null, text: '' },
      steps: { a: { text: '' }, b: { makes: [['', '', '', ''], ['x', '', '', '']], progress: null } }
    }
  });
  const shown = [7, { png: 'x" onerror="y', text: 'z' }];
  const detail = { reasons: [1, { text: 'new' }], facts: [['key']], makes: ['?'], ends: [1, ['x', 2]], shown };
  expect(parse({ graph: 'g', step: 'a', detail })).toMatchObject({
    told: { reasons: [{ text: '' }, { text: 'new', diff: '' }], facts: [['key', '']], makes: [{ name: '' }], log: '', ends: [[], ['x', '']], shown: [{ png: '' }, { png: '', text: 'z' }] }
  });
});

test('a change leaves all else as it is, and the state before untouched', () => {
  const before = state(['a', 'b', 'g/'], { flows: { 0: [''], 1: [''] } });
  const steps = { a: { text: 'ran 2 s', worker: 'w1' } };
  const after = apply(before, { steps: { ...steps, 'g/': null }, flows: { 1: ['2 kB'] }, run: { text: 'x' } });
  expect(after.steps.a).toEqual({ ...before.steps.a, text: 'ran 2 s', worker: 'w1' });
  expect(after.steps.b).toBe(before.steps.b);
  expect(after.flows).toEqual({ 0: [''], 1: ['2 kB'] });
  expect(after.run).toEqual({ ...before.run, text: 'x' });
  expect(Object.keys(after.steps)).toEqual(['a', 'b']);
  expect(before.steps.a?.text).toBe('waiting');
  expect(apply(after, { steps: { a: { worker: null } } }).steps.a?.worker).toBeNull();
});

test('names that mean something to JavaScript are names', () => {
  const all: unknown = JSON.parse('{"steps": {"__proto__": {"text": "ran"}, "constructor": {"text": "ran"}}}');
  const parsed = parse({ graph: 'g', n: 0, all });
  expect(({} as Record<string, unknown>).text).toBeUndefined();
  expect(parsed?.kind === 'all' && parsed.told.steps.constructor).toMatchObject({ text: 'ran' });
});
