/** What of a graph is shown: one of several views, chosen by a tab. */

import { element, hear, set } from './dom';

export class Tabs {
  readonly node = element('div', { class: 'mlp-group mlp-tabs', role: 'tablist', 'aria-label': 'View' });
  readonly #tabs = new Map<string, HTMLButtonElement>();
  chosen = '';

  constructor(
    views: [string, HTMLElement][],
    private readonly choose: (name: string) => void
  ) {
    for (const [name, view] of views) {
      const tab = element('button', { type: 'button', class: 'mlp-button', role: 'tab' }, name);
      hear(tab, { click: () => this.show(name) });
      this.#tabs.set(name, tab);
      set(view, { role: 'tabpanel', 'aria-label': name });
    }
    this.node.append(...this.#tabs.values());
    hear(this.node, { keydown: event => this.#key(event) });
  }

  show(name: string): void {
    this.chosen = name;
    for (const [other, tab] of this.#tabs) {
      set(tab, { 'aria-selected': String(other === name), tabindex: other === name ? 0 : -1 });
    }
    this.choose(name);
  }

  #key(event: KeyboardEvent): void {
    const names = [...this.#tabs.keys()];
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const next = names[(names.indexOf(this.chosen) + by + names.length) % names.length];
    if (by !== 0 && next !== undefined) {
      this.show(next);
      this.#tabs.get(next)?.focus();
      event.preventDefault();
      event.stopPropagation();
    }
  }
}
