import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Ask, type Detail, toDetail } from '../src/protocol';
import { View } from '../src/view';
import { diamond, draw, frame, message, state, step } from './drawn';

const NAMES = ['load', 'left', 'right', 'join'];
const DETAIL = toDetail({});
let asked: Ask[];
let view: View;

function begin(svg = diamond(), names = NAMES): void {
  asked = [];
  view = new View('g1', svg, ask => asked.push(ask));
  document.body.replaceChildren(view.node);
  view.take(message('all', state(names), { n: 0 }));
}

function group(name: string): SVGGElement {
  const found = [...view.node.querySelectorAll<SVGGElement>('[data-mlpipe-step]')];
  return found.find(node => node.getAttribute('data-mlpipe-step') === name)!;
}

function press(key: string, options: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...options });
  (document.activeElement ?? document.body).dispatchEvent(event);
  return event;
}

function click(target: Element): void {
  target.dispatchEvent(new MouseEvent('click', { bubbles: true }));
}

function change(n: number, changed: Record<string, unknown>): void {
  view.take(message('changed', changed, { n }));
}

const panel = () => view.node.querySelector<HTMLElement>('.mlp-panel')!;
const button = (label: string) =>
  [...view.node.querySelectorAll('button')].find(({ textContent }) => textContent === label)!;

beforeEach(() => begin());
afterEach(() => {
  vi.useRealTimers();
  view.dispose();
});

test('a state is a mark, a word, a sign and what is read out', async () => {
  const left = { status: 'failed', sign: '✗', text: 'failed 2 s', why: 'ValueError: no', worker: 'w1' };
  change(1, { steps: { left } });
  await frame();
  expect(group('left').getAttribute('data-mlpipe-status')).toBe('failed');
  expect(group('left').querySelector('.mlpipe-state')?.textContent).toBe('✗ failed 2 s');
  expect(group('left').getAttribute('aria-label')).toBe('left: failed 2 s. ValueError: no. on w1');
  expect(group('right').getAttribute('data-mlpipe-status')).toBe('waiting');
});

test('a run is a sign and a word in the colour of its state, and what there is to say', async () => {
  change(1, { run: { status: 'failed', sign: '✗', colour: '#d03a3a', text: 'failed: left, 4 steps' } });
  await frame();
  const said = view.node.querySelector<HTMLElement>('.mlp-run')!;
  expect(said.textContent).toBe('✗ failed: left, 4 steps');
  const state = said.querySelector<HTMLElement>('.mlp-state')!;
  expect([state.textContent, state.style.getPropertyValue('--mlp-c')]).toEqual(['✗ failed', '#d03a3a']);
  change(2, { run: { sign: '▷', text: '4 steps: 1 stale' } });
  await frame();
  expect(said.textContent).toBe('▷ 4 steps: 1 stale');
  change(3, { run: { status: null, sign: '', colour: '', text: '4 steps' } });
  await frame();
  expect(said.textContent).toBe('4 steps');
});

test('sizes stand on the edges, progress in the node', async () => {
  change(1, { flows: { 3: ['10 × 2, 2 kB'] }, steps: { load: { status: 'running', progress: 0.5 } } });
  await frame();
  expect(view.node.querySelector('[data-mlpipe-flow^="3"] .mlpipe-size')?.textContent).toBe(' 10 × 2, 2 kB');
  expect(group('load').querySelector('.mlp-progress')?.getAttribute('width')).toBe('22');
  change(2, { steps: { load: { status: 'succeeded', progress: null } } });
  await frame();
  expect(group('load').querySelector('.mlp-progress')).toBeNull();
});

test('a message that was missed is asked for, one that comes twice is not', () => {
  change(2, { steps: { load: { text: 'ran' } } });
  expect(asked).toEqual([{ graph: 'g1', do: 'hello' }]);
  view.take(message('all', state(NAMES), { n: 2 }));
  change(2, { steps: { load: { text: 'again' } } });
  change(3, {});
  expect(asked).toHaveLength(1);
});

test('one node is in the order of the page, and arrow keys move between them', () => {
  const reached = () => NAMES.filter(name => group(name).getAttribute('tabindex') === '0');
  expect(reached()).toEqual(['load']);
  group('load').focus();
  expect(press('ArrowDown').defaultPrevented).toBe(true);
  expect(document.activeElement).toBe(group('left'));
  expect(reached()).toEqual(['left']);
  press('End');
  expect(document.activeElement).toBe(group('join'));
  press('Home');
  expect(document.activeElement).toBe(group('load'));
});

test('plain keys stay in the graph, others reach JupyterLab', () => {
  const heard: string[] = [];
  const hear = (event: KeyboardEvent) => heard.push(event.key);
  document.addEventListener('keydown', hear);
  group('load').focus();
  press('d');
  expect(press('s', { ctrlKey: true }).defaultPrevented).toBe(false);
  document.removeEventListener('keydown', hear);
  expect(heard).toEqual(['s']);
});

test('Enter opens a step and Escape closes it, and the focus comes back', () => {
  group('load').focus();
  press('ArrowDown');
  press('Enter');
  expect(asked).toEqual([{ graph: 'g1', do: 'step', step: 'left' }]);
  expect(panel().hidden).toBe(false);
  expect(document.activeElement).toBe(panel());
  expect(group('left').getAttribute('aria-expanded')).toBe('true');
  press('Escape');
  expect(panel().hidden).toBe(true);
  expect(document.activeElement).toBe(group('left'));
  expect(group('left').getAttribute('aria-expanded')).toBe('false');
});

test('an open step shows its details, its log as it comes, and is asked for again when its state changes', () => {
  click(group('left'));
  const size = { shape: '10 × 2', size: '2 kB', was: 'before: 9 × 2, 1 kB' };
  const df = { name: 'df', from: 'from load', type: 'pandas.DataFrame', note: 'a b', ...size };
  const detail: Detail = {
    ...DETAIL,
    interface: 'df → x',
    code: 'x = 1',
    reasons: [{ text: 'code changed', diff: '-x = 0\n+x = 1' }],
    reads: [df],
    makes: [],
    facts: [['took', '2 s']] as [string, string][],
    metrics: [['auc', '0.9', 'before: 0.8']],
    curves: [['loss', [[1, 0.5], [2, 0.25]]]] as [string, [number, number][]][],
    use: [['CPU', '4', '1.2 on average', '--cpus 2 would do']],
    ends: [['2026-03-01 10:12:00', 'failed', '1 s']],
    log: '',
    shown: [
      { png: 'aGk=', text: '<Figure size 1x1>' },
      { png: '', text: '0.93' }
    ],
    traceback: ''
  };
  view.take(message('detail', { ...detail, code: 'not asked for' }, { step: 'right' }));
  expect(panel().textContent).not.toContain('not asked for');
  view.take(message('detail', detail, { step: 'left' }));
  const shown = ['df → x', 'code changed', '-x = 0', '10 × 2 · pandas.DataFrame', '2 kB', 'before: 9', '10:12:00', 'nothing printed', 'before: 0.8', '0.25 at 2', '--cpus 2 would do'];
  expect(shown.filter(text => !panel().textContent?.includes(text))).toEqual([]);
  expect(panel().querySelector('img')?.getAttribute('src')).toBe('data:image/png;base64,aGk=');
  expect(panel().textContent).toContain('0.93');
  view.take(message('log', 'epoch 1\n', { step: 'left' }));
  view.take(message('log', 'epoch 2\n', { step: 'left' }));
  expect(panel().querySelector('.mlp-log')?.textContent).toBe('epoch 1\nepoch 2\n');
  asked = [];
  change(1, { steps: { left: { text: 'running 1 s' } } });
  expect(asked).toEqual([]);
  change(2, { steps: { left: { status: 'succeeded' } } });
  expect(asked).toEqual([{ graph: 'g1', do: 'step', step: 'left' }]);
});

test('what a step failed with stands above its traceback', () => {
  click(group('left'));
  change(1, { steps: { left: { status: 'failed', why: 'ValueError: no' } } });
  view.take(message('detail', { ...DETAIL, traceback: 'Cell In[3], line 2\nValueError: no' }, { step: 'left' }));
  const error = panel().querySelector('[data-part=Error]')!;
  expect(error.querySelector('.mlp-message')?.textContent).toBe('ValueError: no');
  expect(error.querySelector('.mlp-error')?.textContent).toBe('Cell In[3], line 2\nValueError: no');
});

test('Stop is there while it runs, Run all when it does not', async () => {
  await frame();
  expect([button('Run all').disabled, button('Stop').disabled]).toEqual([true, false]);
  click(button('Stop'));
  expect(asked).toEqual([{ graph: 'g1', do: 'stop' }]);
  change(1, { run: { status: 'cancelled', text: 'cancelled' }, stale: { count: 2, text: 'run 2 stale, about 4 min' } });
  await frame();
  expect([button('Run all').disabled, button('Stop').disabled]).toEqual([false, true]);
  asked = [];
  click(button('Run 2 stale, about 4 min'));
  expect(asked).toEqual([{ graph: 'g1', do: 'run', how: 'stale' }]);
});

test('a run that a busy kernel does not start is said to wait, until it starts', () => {
  vi.useFakeTimers();
  click(group('left'));
  asked = [];
  click(button('Run from here'));
  expect(asked).toEqual([{ graph: 'g1', do: 'run', how: 'from', step: 'left' }]);
  vi.advanceTimersByTime(1000);
  const said = view.node.querySelector('.mlp-said')!;
  expect(said.textContent).toBe('Starts when the kernel is free');
  view.take(message('said', ''));
  expect(said.textContent).toBe('');
  click(button('Force'));
  view.take(message('said', ''));
  vi.advanceTimersByTime(1000);
  expect(said.textContent).toBe('');
});

test('changes are said to who does not see them, a few at a time', () => {
  vi.useFakeTimers();
  const names = Array.from({ length: 10 }, (_, n) => `s${n}`);
  begin(draw(Object.fromEntries(names.map((name, n) => [name, [0, -10 * n]]))), names);
  change(1, { steps: Object.fromEntries(names.map(name => [name, { status: 'running', text: 'running' }])) });
  change(2, { steps: { s0: { status: 'failed', text: 'failed' } } });
  vi.advanceTimersByTime(1000);
  const said = view.node.querySelector('[role=status]')?.textContent;
  expect(said).toBe('s0 failed. s1 running. s2 running. 7 more changes');
});

test('what is searched for stands out', () => {
  const field = view.node.querySelector<HTMLInputElement>('input')!;
  field.value = 'le';
  field.dispatchEvent(new Event('input', { bubbles: true }));
  expect(NAMES.filter(name => !group(name).classList.contains('mlp-other'))).toEqual(['left']);
  field.focus();
  press('Enter');
  expect(document.activeElement).toBe(group('left'));
  field.focus();
  press('Escape');
  expect(NAMES.some(name => group(name).classList.contains('mlp-other'))).toBe(false);
});

test('whatever a step is called, prints or fails with is text', async () => {
  const evil = '<img src=x onerror="window.hit=1"></script><script>window.hit=1</script>';
  begin(draw({ [evil]: [0, -280] }), [evil]);
  const colour = `red;background:url(${evil})`;
  const evils = { sign: evil, text: evil, why: evil, worker: evil, colour, makes: [[evil, evil, evil, evil]], group: evil, members: [evil] };
  change(1, { run: { text: evil }, steps: { [evil]: evils } });
  await frame();
  group(evil).focus();
  click(group(evil));
  const item = { name: evil, from: evil, shape: evil, size: evil, type: evil, was: evil, note: evil };
  const detail = {
    interface: evil,
    code: evil,
    reasons: [{ text: evil, diff: evil }],
    reads: [item],
    makes: [item],
    facts: [[evil, evil]] as [string, string][],
    metrics: [[evil, evil, evil]],
    curves: [[evil, [[1, 0.5], [2, 0.25]]]] as [string, [number, number][]][],
    use: [[evil, evil, evil, evil]],
    ends: [[evil, evil, evil]],
    log: evil,
    shown: [{ png: '', text: evil }],
    traceback: evil
  };
  view.take(message('detail', detail, { step: evil }));
  view.take(message('log', evil, { step: evil }));
  view.take(message('said', evil));
  expect(view.node.querySelectorAll('img, script')).toHaveLength(0);
  expect(view.node.querySelector('.mlp-log')?.textContent).toBe(evil + evil);
  expect((window as unknown as { hit?: number }).hit).toBeUndefined();
});

test('a thousand changes are drawn in one frame', { timeout: 30_000 }, async () => {
  const names = Array.from({ length: 1000 }, (_, n) => `s${n}`);
  begin(draw(Object.fromEntries(names.map((name, n) => [name, [n % 30, -n]]))), names);
  await frame();
  const frames = vi.spyOn(globalThis, 'requestAnimationFrame');
  names.forEach((name, n) => change(n + 1, { steps: { [name]: step({ status: 'succeeded', text: 'ran' }) } }));
  expect(frames).toHaveBeenCalledTimes(1);
  frames.mockRestore();
  await frame();
  const drawn = [...view.node.querySelectorAll('[data-mlpipe-status=succeeded]')];
  expect(drawn).toHaveLength(1000);
});

test('what has been drawn before is known by its steps and its size', () => {
  expect(view.isOf(diamond())).toBe(true);
  expect(view.isOf(draw({ load: [0, 0] }))).toBe(false);
});

const tab = (name: string) => [...view.node.querySelectorAll<HTMLElement>('[role=tab]')].find(({ textContent }) => textContent === name)!;

test('tabs show the timeline and the runs in the place of the graph', async () => {
  const shown = () => [...view.node.querySelectorAll<HTMLElement>('[role=tabpanel]')].filter(({ hidden }) => !hidden);
  expect(shown().map(part => part.getAttribute('aria-label'))).toEqual(['Graph']);
  tab('Graph').focus();
  press('ArrowRight');
  expect(document.activeElement).toBe(tab('Timeline'));
  expect(shown().map(part => part.getAttribute('aria-label'))).toEqual(['Timeline']);
  change(1, { bars: { left: ['w1', 0, 0, 2, false, ''] }, steps: { left: { status: 'succeeded' } } });
  await frame();
  click(view.node.querySelector('.mlp-row')!);
  expect(panel().getAttribute('aria-label')).toBe('step left');
  press('Escape');
  expect((document.activeElement as HTMLElement).dataset.mlpipeStep).toBe('left');
  asked = [];
  click(tab('Runs'));
  expect(asked).toEqual([{ graph: 'g1', do: 'runs' }]);
  view.take(message('runs', { columns: [], rows: [] }));
  expect(view.node.textContent).toContain('No runs yet');
});

test('what a panel offers follows the state of its step', () => {
  const offered = () => [...view.node.querySelectorAll('.mlp-acts button')].map(({ textContent }) => textContent);
  click(group('left'));
  expect(offered()).toEqual(['Cancel', 'Run', 'Run to here', 'Run from here', 'Force']);
  asked = [];
  click(button('Cancel'));
  expect(asked).toEqual([{ graph: 'g1', do: 'cancel', step: 'left' }]);
  change(1, { steps: { left: { status: 'failed' } } });
  expect(offered()).toEqual(['Retry', 'Run to here', 'Force', 'Debug here']);
  asked = [];
  click(button('Retry'));
  expect(asked).toEqual([{ graph: 'g1', do: 'run', how: 'from', step: 'left' }]);
});

test('the line that debugs a step is copied, or shown where that is refused', async () => {
  click(group('left'));
  change(1, { steps: { left: { status: 'succeeded' } } });
  const said = () => view.node.querySelector('.mlp-said')?.textContent;
  const write = vi.fn().mockResolvedValueOnce(undefined).mockRejectedValueOnce(new Error('no'));
  vi.stubGlobal('navigator', { clipboard: { writeText: write } });
  click(button('Debug'));
  await frame();
  expect(write).toHaveBeenCalledWith('%pipeline debug left');
  expect(said()).toBe('Copied: %pipeline debug left — paste it into a cell');
  click(button('Debug'));
  await frame();
  expect(said()).toBe('Write into a cell: %pipeline debug left');
  vi.unstubAllGlobals();
});

test('groups fold and unfold by click and by key', async () => {
  const svg = diamond();
  const box = document.createElementNS('http://www.w3.org/2000/svg', 'g');
  box.setAttribute('class', 'mlpipe-group');
  box.setAttribute('data-mlpipe-group', 'sides');
  svg.querySelector('g')!.prepend(box);
  begin(svg);
  const inGroup = { left: { group: 'sides' }, right: { group: 'sides' } };
  change(1, { steps: inGroup });
  await frame();
  asked = [];
  group('right').focus();
  press('g');
  click(box);
  (box as unknown as HTMLElement).focus();
  press('Enter');
  const fold = { graph: 'g1', do: 'fold', groups: ['sides'] };
  expect(asked).toEqual([fold, fold, fold]);

  const folded = draw({ load: [0, -280], 'sides/': [0, -180], join: [0, -80] });
  const node = [...folded.querySelectorAll('g.node')].find(found => found.getAttribute('data-mlpipe-step') === 'sides/')!;
  node.setAttribute('data-mlpipe-group', 'sides');
  const before = view.kept;
  begin(folded, ['load', 'left', 'right', 'join', 'sides/']);
  change(1, { steps: { ...inGroup, 'sides/': { group: 'sides', members: ['left', 'right'] } } });
  await frame();
  view.focus(before);
  expect(document.activeElement).toBe(group('sides/'));
  asked = [];
  press('Enter');
  expect(asked).toEqual([{ graph: 'g1', do: 'fold', groups: [] }]);
});
