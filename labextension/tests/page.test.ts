import { afterEach, beforeEach, expect, test } from 'vitest';
import { Page } from '../src/page';
import type { Ask, Message } from '../src/protocol';
import { diamond, draw, frame, message, put, state } from './drawn';

const all: Message = message('all', state(['load', 'left', 'right', 'join']), { n: 0 });
let asked: Ask[];
let page: Page;

beforeEach(() => {
  document.body.replaceChildren();
  asked = [];
  page = new Page(ask => asked.push(ask), () => document.getElementsByClassName('mlpipe-root'));
});
afterEach(() => page.dispose());

test('a graph that the kernel knows is taken over, one of another kernel stays as it is', () => {
  const root = put(diamond());
  const other = put(diamond(), 'of-another-kernel');
  page.scan();
  page.scan();
  expect(asked).toEqual([
    { graph: 'g1', do: 'hello' },
    { graph: 'of-another-kernel', do: 'hello' }
  ]);
  page.take(all);
  expect(root.querySelector('.mlp')).not.toBeNull();
  expect(other.querySelector('.mlp')).toBeNull();
  expect(other.querySelector('.mlpipe-picture > svg')).not.toBeNull();
});

test('one that is put into the page later is found', async () => {
  put(diamond());
  await frame();
  expect(asked).toEqual([{ graph: 'g1', do: 'hello' }]);
});

test('a picture that the kernel draws anew is replaced by the view as it stands', async () => {
  const root = put(diamond());
  page.scan();
  page.take(all);
  const view = root.querySelector<HTMLElement>('.mlp')!;
  view.querySelector('g.node')!.dispatchEvent(new MouseEvent('click', { bubbles: true }));
  root.remove();
  const again = put(diamond());
  await frame();
  expect(again.querySelector('.mlp')).toBe(view);
  expect(view.querySelector<HTMLElement>('.mlp-panel')!.hidden).toBe(false);
  expect(again.children).toHaveLength(1);
});

test('a picture of other steps gets a view of its own', async () => {
  const root = put(diamond());
  page.scan();
  page.take(all);
  root.remove();
  const again = put(draw({ load: [0, -280] }));
  await frame();
  expect(again.querySelectorAll('g.node')).toHaveLength(1);
});

test('a view that takes the place of another goes on with what changes', async () => {
  const root = put(diamond());
  page.scan();
  page.take({ ...all, n: 4 });
  root.remove();
  const again = put(draw({ load: [0, -280], left: [-100, 0] }));
  await frame();
  // The kernel is busy, and does not hear that the new one asks for all.
  page.take(message('changed', { steps: { left: { status: 'succeeded', text: 'ran 1 s' } } }, { n: 5 }));
  await frame();
  expect(again.querySelector('[data-mlpipe-step=left]')!.getAttribute('data-mlpipe-status')).toBe('succeeded');
});

test('two outputs of one graph are two views', () => {
  const roots = [put(diamond()), put(diamond())];
  page.scan();
  page.take(all);
  expect(roots.map(root => root.querySelectorAll('.mlp').length)).toEqual([1, 1]);
});

test('when the kernel is gone the last picture stays', () => {
  const root = put(diamond());
  page.scan();
  page.take(all);
  page.dispose();
  expect(root.querySelector('.mlp-ended svg g.node')).not.toBeNull();
});

const WHOLE =
  '<svg xmlns="http://www.w3.org/2000/svg" class="mlpipe-graph" data-mlpipe-drawing="d1" viewBox="0 0 9 9">' +
  '<g class="node" data-mlpipe-step="load"><rect class="mlpipe-box"/></g></svg>';

test('an outline stays until the kernel has sent what it is of, and is asked for once', () => {
  const svg = draw({});
  svg.classList.add('mlpipe-outline');
  svg.dataset.mlpipeDrawing = 'd1';
  const root = put(svg);
  page.scan();
  page.take(all);
  page.scan();
  expect(asked.map(ask => ask.do)).toEqual(['hello', 'drawing']);
  page.take(message('drawing', WHOLE.replace('d1', 'd0')));
  expect(root.querySelector('.mlp')).toBeNull();
  page.take(message('drawing', WHOLE));
  expect(root.querySelector('.mlp g.node')).not.toBeNull();
  expect(asked.map(ask => ask.do)).toEqual(['hello', 'drawing', 'hello']);
});
