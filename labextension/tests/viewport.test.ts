import { expect, test } from 'vitest';
import { Viewport } from '../src/viewport';

test('to fit shows all of a drawing, however long', () => {
  const [stage, sheet] = [document.createElement('div'), document.createElement('div')];
  Object.defineProperty(stage, 'clientWidth', { value: 800 });
  Object.defineProperty(stage, 'clientHeight', { value: 400 });
  const view = new Viewport(stage, sheet, 200, 90_000, () => undefined);
  view.fit();
  expect(view.scale * view.height).toBeCloseTo(400);
  expect(view.y).toBeCloseTo(0);
  view.zoom(2);
  view.zoom(0.1);
  expect(view.scale * view.height).toBeCloseTo(400);
});
