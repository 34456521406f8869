/** The field that finds steps by name or output: what it finds stands out, Enter goes from one to the next. */

import { element, hear } from './dom';
import { search, type Picture } from './picture';

export interface Finds {
  /** Outputs of a step, and the steps of a folded group. */
  makes(name: string): string[];
  /** Called with what is found, while something is looked for. */
  found(names: string[]): void;
  go(name: string): void;
  /** Called when the search is over. */
  leave(): void;
}

export class Finder {
  readonly node = element('input', {
    class: 'mlp-search',
    type: 'search',
    placeholder: 'Find a step',
    'aria-label': 'Find a step by its name or an output'
  });
  #found: string[] = [];
  #at = -1;

  constructor(
    private readonly picture: Picture,
    private readonly finds: Finds
  ) {
    hear(this.node, { input: () => this.#find(), keydown: event => this.#key(event) });
  }

  #find(): void {
    const words = this.node.value.trim();
    this.#found = search(this.picture, name => this.finds.makes(name), words);
    this.#at = -1;
    const found = new Set(this.#found);
    for (const [name, { group }] of this.picture.nodes) {
      group.classList.toggle('mlp-other', words !== '' && !found.has(name));
    }
    if (words !== '') {
      this.finds.found(this.#found);
    }
  }

  #key(event: KeyboardEvent): void {
    if (event.key === 'Enter' && this.#found.length > 0) {
      this.#at = (this.#at + 1) % this.#found.length;
      this.finds.go(this.#found[this.#at] ?? '');
    } else if (event.key === 'Escape') {
      this.node.value = '';
      this.#find();
      this.finds.leave();
    } else {
      return;
    }
    event.preventDefault();
  }
}
