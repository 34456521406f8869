/** A small line through values: of a metric over runs, or over the steps of a training. */

import { element, hear, set, shape } from './dom';
import { roundStep } from './ticks';

const WIDTH = 224;
const HEIGHT = 96;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 8, 16];
const MOST_DOTS = 40;

export interface Point {
  x: number;
  y: number;
  /** What there is to say of it. */
  label: string;
  /** Not measured here: it was reused. */
  isHollow?: boolean;
}

/** Draws points, in the order of their x; the arrow keys go from one to the next, and its words stand above. */
export function lineChart(title: string, points: Point[], press?: (index: number) => void): HTMLElement {
  const ys = points.map(({ y }) => y);
  const [least, most] = [Math.min(...ys), Math.max(...ys)];
  const [first, last] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0];
  const step = roundStep(most - least || Math.abs(most) || 1, 4);
  const [low, high] = least === most ? [least - step, most + step] : [least, most];
  const across = (x: number): number => LEFT + ((x - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const up = (y: number): number => HEIGHT - BOTTOM - ((y - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'mlp-plot', 'aria-hidden': 'true' });
  for (let y = Math.ceil(low / step) * step; y <= high + step / 1e6; y += step) {
    const line = shape('line', { class: 'mlp-rule', x1: LEFT, x2: WIDTH - RIGHT, y1: up(y), y2: up(y) });
    const label = shape('text', { x: LEFT - 4, y: up(y) + 3, 'text-anchor': 'end' });
    label.textContent = shortly(y, step);
    svg.append(line, label);
  }
  const line = points.map(({ x, y }) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`).join(' ');
  svg.append(shape('polyline', { points: line, class: 'mlp-curve' }));
  for (const { x, y, isHollow } of points.length <= MOST_DOTS ? points : []) {
    const kind = isHollow ? 'mlp-dot mlp-hollow' : 'mlp-dot';
    svg.append(shape('circle', { cx: across(x), cy: up(y), r: 3, class: kind }));
  }
  const pointer = shape('circle', { r: '4', class: 'mlp-dot mlp-pointed' });
  const value = element('span', { class: 'mlp-value mlp-faint', 'aria-live': 'polite' }, points.at(-1)?.label ?? '');
  const caption = element('figcaption', {}, element('b', { title }, title), value);
  const said = `${title}: ${points.length} values from ${shortly(least, step / 10)} to ${shortly(most, step / 10)}; arrow keys go through them`;
  const node = element('figure', { class: 'mlp-chart', tabindex: '0', role: 'group', 'aria-label': said }, caption, svg as unknown as Node);

  let at = points.length - 1;
  const point = (index: number): void => {
    at = Math.max(0, Math.min(points.length - 1, index));
    const found = points[at];
    if (found) {
      set(pointer, { cx: across(found.x), cy: up(found.y) });
      svg.append(pointer);
      value.textContent = found.label;
    }
  };
  const leave = (): void => {
    pointer.remove();
    at = points.length - 1;
    value.textContent = points.at(-1)?.label ?? '';
  };
  hear(svg, {
    pointermove: event => {
      const { left, width } = svg.getBoundingClientRect();
      const x = ((event.clientX - left) / width) * WIDTH;
      const distances = points.map(point => Math.abs(across(point.x) - x));
      point(distances.indexOf(Math.min(...distances)));
    },
    pointerleave: leave,
    click: () => press?.(at)
  });
  hear(node, {
    blur: leave,
    keydown: event => {
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 }[event.key];
      if (to !== undefined) {
        point(to);
      } else if (event.key === 'Enter' && press) {
        press(at);
      } else {
        return;
      }
      event.preventDefault();
    }
  });
  return node;
}

function shortly(value: number, step: number): string {
  if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3)) {
    return value.toExponential(1);
  }
  return value.toFixed(Math.max(0, Math.min(6, Math.ceil(-Math.log10(step)))));
}
