/** One run of the table: when its steps waited and ran. */

import { button, element } from './dom';
import type { Past } from './protocol';
import { Timeline } from './timeline';

export class PastRun {
  readonly node = element('div', { class: 'mlp-compare', hidden: '', tabindex: -1 });
  #timeline: Timeline | null = null;

  constructor(private readonly leave: () => void) {}

  show({ text, state }: Past): void {
    this.close();
    this.#timeline = new Timeline();
    const back = button('‹ Runs', 'Back to the table of runs (Escape)', () => this.leave());
    this.node.append(element('div', 'mlp-tools', back, element('b', {}, text)), this.#timeline.node);
    this.node.hidden = false;
    this.#timeline.show(true);
    this.#timeline.paint(state);
    this.node.focus({ preventScroll: true });
  }

  key(event: KeyboardEvent): boolean {
    return this.#timeline?.key(event) ?? false;
  }

  close(): void {
    this.#timeline?.dispose();
    this.#timeline = null;
    this.node.hidden = true;
    this.node.replaceChildren();
  }
}
