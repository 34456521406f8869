import { afterEach, beforeEach, expect, test } from 'vitest';
import widget from '../src/index';
import type { Model } from '../src/link';
import { frame, put, diamond, state } from './drawn';

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" data-mlpipe-drawing="d1" viewBox="0 0 9 9"><script>window.hit = 1</script>' +
  '<g class="node" data-mlpipe-step="load"><rect class="mlpipe-box"/><text class="mlpipe-state">ran</text></g></svg>';

function kernel(graph: string) {
  const values: Record<string, string> = { graph, svg: SVG };
  const hearers = new Map<string, (content: unknown) => void>();
  const sent: object[] = [];
  const model: Model = {
    get: name => values[name],
    on: (event, hear) => hearers.set(event, hear),
    off: event => hearers.delete(event),
    send: content => sent.push(content)
  };
  const tell = (content: unknown): void => hearers.get('msg:custom')?.(content);
  const set = (svg: string): void => {
    values.svg = svg;
    hearers.get('change:svg')?.(null);
  };
  return { model, sent, tell, set };
}

beforeEach(() => document.body.replaceChildren());
afterEach(() => document.getElementById('mlpipe-style')?.remove());

const all = { run: {}, steps: state(['load']).steps };

test('a view shows its picture, and is live once the kernel answers', async () => {
  const { model, sent, tell, set } = kernel('g1');
  const { initialize, render } = widget();
  const end = initialize({ model });
  const el = document.createElement('div');
  document.body.append(el);
  put(diamond(), 'another');
  const leave = render({ model, el });
  expect(el.querySelector('.mlpipe-picture g.node')).not.toBeNull();
  expect(el.querySelector('script')).toBeNull();
  expect(sent).toEqual([{ graph: 'g1', do: 'hello' }]);
  tell({ graph: 'g1', n: 0, all });
  const view = el.querySelector('.mlp');
  expect(view).not.toBeNull();
  // Drawn anew with the same steps, it goes on as it is; with others, it is another one.
  set(SVG);
  await frame();
  expect(el.querySelector('.mlp')).toBe(view);
  set(SVG.replace('d1', 'd2'));
  expect(el.querySelectorAll('.mlp')).toHaveLength(1);
  expect(el.querySelector('.mlp')).not.toBe(view);
  leave();
  end();
  expect(document.querySelector('.mlpipe-root .mlp')).toBeNull();
});

test('two views of one graph live side by side, and one that is put elsewhere goes on', () => {
  const { model, tell } = kernel('g1');
  const { initialize, render } = widget();
  initialize({ model });
  const places = [0, 1, 2].map(() => document.body.appendChild(document.createElement('div')));
  const leave = render({ model, el: places[0]! });
  render({ model, el: places[1]! });
  tell({ graph: 'g1', n: 0, all });
  const views = places.map(el => el.querySelector('.mlp'));
  expect(new Set(views).size).toBe(3);
  leave();
  render({ model, el: places[2]! });
  expect(places[2]!.querySelector('.mlp')).toBe(views[0]);
});
