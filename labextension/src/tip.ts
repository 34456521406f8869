/** What is worth knowing of a step at a glance, beside its node. */

import { element } from './dom';
import type { Box } from './picture';
import type { StepState } from './protocol';
import type { Viewport } from './viewport';

const GAP = 8;
const MOST_OUTPUTS = 6;

export class Tip {
  readonly node = element('div', { class: 'mlp-tip', role: 'tooltip' });

  constructor() {
    this.hide();
  }

  hide(): void {
    this.node.hidden = true;
  }

  /** Shows it beside a box of the sheet where there is room: above and below are those that it is linked with. */
  show(name: string, state: StepState, box: Box, { scale, x, y, size }: Viewport): void {
    const head = element('div', { class: 'mlp-state' }, element('b', {}, name), ` ${state.sign} ${state.text}`);
    head.style.setProperty('--mlp-c', state.colour);
    this.node.replaceChildren(head);
    if (state.why) {
      this.node.append(element('div', {}, state.why));
    }
    const faint = state.worker ? [`on ${state.worker}`] : [];
    for (const [output, shape, size] of state.makes.slice(0, MOST_OUTPUTS)) {
      const about = [shape, size].filter(Boolean).join(', ');
      faint.push(about ? `${output}: ${about}` : output);
    }
    this.node.append(...faint.map(text => element('div', { class: 'mlp-faint' }, text)));
    this.node.hidden = false;

    const { offsetWidth: width, offsetHeight: height } = this.node;
    const [left, right] = [box.x * scale + x, (box.x + box.width) * scale + x];
    const [top, bottom] = [box.y * scale + y, (box.y + box.height) * scale + y];
    const isRight = right + GAP + width <= size.width;
    const isBeside = isRight || left - GAP - width >= 0;
    const besideLeft = isRight ? right + GAP : left - GAP - width;
    const belowLeft = Math.max(GAP, Math.min(size.width - width - GAP, left));
    const besideTop = Math.max(4, Math.min(size.height - height - 4, top));
    this.node.style.left = `${isBeside ? besideLeft : belowLeft}px`;
    this.node.style.top = `${isBeside ? besideTop : bottom + GAP}px`;
  }
}
