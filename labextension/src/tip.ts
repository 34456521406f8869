/** What is worth knowing at a glance, beside what one points at. */

import { element, tint } from './dom';
import type { StepState } from './protocol';

const GAP = 8;
const MOST_LINES = 6;

/** Where it is that one points at, and how much room there is around it, in pixels. */
export interface Place {
  left: number;
  right: number;
  top: number;
  bottom: number;
  width: number;
  height: number;
}

export class Tip {
  readonly node = element('div', { class: 'mlp-tip', role: 'tooltip' });

  constructor() {
    this.hide();
  }

  hide(): void {
    this.node.hidden = true;
  }

  /** Shows a step beside its place; further lines below what is known of it. */
  showStep(name: string, state: StepState, place: Place, more: string[] = []): void {
    const title = state.members.length > 0 ? state.group : name;
    const head = element('div', 'mlp-state', element('b', {}, title), ` ${state.sign} ${state.text}`);
    tint(head, state.colour);
    const faint = [...more, ...(state.worker ? [`on ${state.worker}`] : [])];
    if (state.members.length > 0) {
      faint.push(shortened(state.members).join(', '));
    }
    for (const [output, shape, size, was] of state.makes.slice(0, MOST_LINES)) {
      const about = [shape, size, was].filter(Boolean).join(', ');
      faint.push(about ? `${output}: ${about}` : output);
    }
    this.show([head, ...(state.why ? [element('div', {}, state.why)] : []), ...faint.map(faintly)], place);
  }

  /** Shows lines of text beside a place, the first one set off. */
  showLines([first = '', ...lines]: string[], place: Place): void {
    this.show([element('div', {}, element('b', {}, first)), ...shortened(lines).map(faintly)], place);
  }

  private show(parts: Node[], place: Place): void {
    this.node.replaceChildren(...parts);
    this.node.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const isRight = place.right + GAP + width <= place.width;
    const isBeside = isRight || place.left - GAP - width >= 0;
    const besideLeft = isRight ? place.right + GAP : place.left - GAP - width;
    const belowLeft = Math.max(GAP, Math.min(place.width - width - GAP, place.left));
    const isBelow = place.bottom + GAP + height <= place.height;
    const besideTop = Math.max(4, Math.min(place.height - height - 4, place.top));
    const aboveTop = Math.max(4, isBelow ? place.bottom + GAP : place.top - GAP - height);
    this.node.style.left = `${isBeside ? besideLeft : belowLeft}px`;
    this.node.style.top = `${isBeside ? besideTop : aboveTop}px`;
  }
}

function faintly(text: string): HTMLElement {
  return element('div', 'mlp-faint', text);
}

function shortened(lines: string[]): string[] {
  const more = lines.length - MOST_LINES;
  return more > 0 ? [...lines.slice(0, MOST_LINES), `and ${more} more`] : lines;
}
