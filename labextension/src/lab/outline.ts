/** The steps of a notebook as a list, in the order of its cells; arrows walk along it. */

import { element } from '../dom';
import { mark } from './badge';
import type { CellFacts } from './facts';
import type { Pipeline } from './pipeline';

export class Outline {
  readonly node = element('ul', { class: 'mlp-outline', 'aria-label': 'Steps' });
  private readonly rows = new Map<string, { node: HTMLLIElement; press: HTMLButtonElement; facts: CellFacts | null }>();

  constructor(private readonly go: (facts: CellFacts) => void) {
    this.node.addEventListener('keydown', event => this.walk(event));
  }

  paint(pipeline: Pipeline): void {
    const places = new Map(pipeline.panel.content.widgets.map((cell, place) => [cell.model.id, place]));
    const place = ({ cell }: CellFacts): number => places.get(cell) ?? places.size;
    const steps = [...pipeline.state.steps].sort((a, b) => place(a) - place(b));
    const known = new Set(steps.map(({ name }) => name));
    for (const [name, { node }] of this.rows) {
      if (!known.has(name)) {
        node.remove();
        this.rows.delete(name);
      }
    }
    steps.forEach((facts, index) => {
      const row = this.rows.get(facts.name) ?? this.add(facts.name);
      if (row.facts !== facts) {
        row.facts = facts;
        this.fill(row.node, row.press, facts);
      }
      // Only where it has moved: what is put in anew loses the keyboard.
      if (this.node.children[index] !== row.node) {
        this.node.insertBefore(row.node, this.node.children[index] ?? null);
      }
    });
    if (!this.node.querySelector('[tabindex="0"]')) {
      this.node.querySelector('button')?.setAttribute('tabindex', '0');
    }
  }

  focus(): void {
    this.node.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  }

  clear(): void {
    this.rows.clear();
    this.node.replaceChildren();
  }

  private add(name: string) {
    const press = element('button', { type: 'button', tabindex: '-1', class: 'mlp-outline-step' });
    const row = { node: element('li', {}, press), press, facts: null as CellFacts | null };
    press.addEventListener('click', () => row.facts && this.go(row.facts));
    press.addEventListener('focus', () => {
      this.node.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
      press.setAttribute('tabindex', '0');
    });
    this.rows.set(name, row);
    return row;
  }

  private fill(node: HTMLElement, press: HTMLElement, facts: CellFacts): void {
    mark(node, facts);
    const sign = element('span', { class: 'mlp-outline-sign', 'aria-hidden': 'true' }, facts.sign);
    const name = element('span', { class: 'mlp-outline-name' }, facts.name);
    press.replaceChildren(sign, name, element('span', { class: 'mlp-outline-state' }, facts.text));
    press.title = [`${facts.name}: ${facts.text}`, facts.why].filter(Boolean).join('\n');
  }

  private walk(event: KeyboardEvent): void {
    const all = [...this.node.querySelectorAll('button')];
    const at = all.indexOf(event.target as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all[to]?.focus();
    }
  }
}
