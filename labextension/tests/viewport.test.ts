import { expect, test } from 'vitest';
import { OVERVIEW, Viewport } from '../src/viewport';

/** Looks at a sheet of a size through a stage of another one. */
function look(stageSize: [number, number], width: number, height: number): Viewport {
  const [stage, sheet] = [document.createElement('div'), document.createElement('div')];
  Object.defineProperty(stage, 'clientWidth', { value: stageSize[0] });
  Object.defineProperty(stage, 'clientHeight', { value: stageSize[1] });
  return new Viewport(stage, sheet, width, height, () => undefined);
}

test('to fit shows all of a drawing, however long', () => {
  const view = look([800, 400], 200, 90_000);
  view.fit();
  expect(view.scale * view.height).toBeCloseTo(400);
  expect(view.y).toBeCloseTo(0);
  view.zoom(2);
  view.zoom(0.1);
  expect(view.scale * view.height).toBeCloseTo(400);
});

test('by itself it shows a drawing no smaller than can be read: names of 13 pixels at 11', () => {
  const view = look([520, 440], 700, 400);
  view.start();
  expect(view.scale * 13.2).toBeGreaterThanOrEqual(11);
  // A step that is looked at is brought into view instead, its neighbours with it where there is room.
  const step = { x: 560, y: 300, width: 140, height: 50 };
  view.reveal(step);
  expect(step.x * view.scale + view.x).toBeGreaterThanOrEqual(0);
  expect((step.x + step.width) * view.scale + view.x).toBeLessThanOrEqual(520);
  view.start(OVERVIEW);
  expect(view.scale).toBeCloseTo(520 / 700); // all of it
  const wide = look([1000, 440], 700, 400);
  wide.start();
  expect(wide.scale).toBe(1);
});

test('the sides on which the drawing goes on are shaded', () => {
  const view = look([300, 200], 600, 400);
  const shaded = (): boolean[] =>
    view.stage.style.getPropertyValue('--mlp-shade').split(',').map(shadow => shadow.startsWith('inset'));
  view.start();
  expect(shaded()).toEqual([true, true, false, true]); // left, right, top, bottom
  view.reveal({ x: 500, y: 350, width: 100, height: 50 });
  expect(shaded()).toEqual([true, false, true, false]);
  view.fit();
  expect(shaded()).toEqual([false, false, false, false]);
});
